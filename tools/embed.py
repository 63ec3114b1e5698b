"""Writes a C file that holds data files: embed.py OUT HEADER NAME=FILE...

For each pair it defines `struct gr_slice gr_shipped_NAME(void)`, declared in HEADER, which returns the
file's bytes. Run by the build.
"""

import sys


def define(name, data):
    rows = [", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    body = ",\n    ".join(rows)
    return (f"\nstatic const unsigned char {name}[] = {{\n    {body},\n}};\n"
            f"\nstruct gr_slice gr_shipped_{name}(void)\n{{\n"
            f"    return (struct gr_slice){{(const char *){name}, sizeof {name}}};\n}}\n")


def main(out, header, *pairs):
    text = f'// Written by tools/embed.py.\n#include "{header}"\n'
    for pair in pairs:
        name, path = pair.split("=", 1)
        with open(path, "rb") as file:
            text += define(name, file.read())
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)


main(*sys.argv[1:])
