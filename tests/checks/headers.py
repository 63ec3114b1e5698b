"""Every declaration in a header has a contract: a comment directly before it or on its line.

What counts:
- functions, types, macros, variables: a comment that ends on the line before or stands on the last
  line of the declaration. Macros may share the comment before a block without blank lines, and a
  macro on the line after an enum (the number of its values) is described by the enum;
- a field: the same, or a comment before the block of fields it is in, or the comment of its struct
  if that names the field; a `count` or `size` also by standing on the line after what it counts,
  a field of an enum's or struct's type by the comment of that type, and any field by that of a
  field with the same name in another struct of the same header (one word is one thing);
  `reserved` is what it says;
- values of an enum are covered by the comment of the enum.
Forward declarations of a type that another header defines need none; an opaque type does.
"""

import re

import tree

# Comments, strings and preprocessor lines (with continuations) are blanked out before parsing.
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE)
DEFINE = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)")
TYPE = re.compile(r"\b(struct|union|enum)\b\s*(\w*)")


def blank(text):
    """As many blanks, with the line ends kept."""
    return re.sub(r"[^\n]", " ", text)


class Header:
    """One header: its code without comments, and which lines hold a comment."""

    def __init__(self, path, text):
        self.path = path
        self.comments = {}  # line -> text of the comment on it
        self.macros = []  # (name, first line, last line)
        self.fields = set()  # names of fields that have a comment
        self.faults = {}  # (line, name of a field without) -> fault

        def strip(match):
            found = match.group(0)
            if found.startswith(("//", "/*")):
                line = tree.line_of(text, match.start())
                for number, piece in enumerate(found.split("\n")):
                    self.comments[line + number] = self.comments.get(line + number, "") + piece
                return blank(found)
            return '"' + blank(found[1:-1]) + '"'

        code = TOKEN.sub(strip, text)
        for match in DIRECTIVE.finditer(code):
            name = DEFINE.match(match.group(0))
            first = tree.line_of(code, match.start())
            if name:
                self.macros.append((name.group(1), first, first + match.group(0).count("\n")))
        self.code = DIRECTIVE.sub(lambda match: blank(match.group(0)), code)
        self.lines = text.split("\n")

    def described(self, first, last):
        """Is there a comment on the line before `first`, or on `last`?"""
        return first - 1 in self.comments and self.is_comment(first - 1) or last in self.comments

    def is_comment(self, line):
        """Does the line hold nothing but a comment?"""
        text = self.lines[line - 1].strip()
        return line in self.comments and (text.startswith(("//", "/*", "*")) or text.endswith("*/"))

    def block_comment(self, line, stop):
        """Does a comment line open the block without blank lines that `line` is in? Looks no
        further up than the line `stop`."""
        line -= 1
        while line > stop:
            if self.is_comment(line):
                return True
            if not self.lines[line - 1].strip():
                return False
            line -= 1
        return False

    def comment_before(self, line):
        """The text of the comment lines directly before."""
        found = []
        line -= 1
        while self.is_comment(line):
            found.append(self.comments[line])
            line -= 1
        return "\n".join(reversed(found))


def declarations(code, start, stop):
    """Splits code between two offsets at top-level semicolons and closing braces: yields (begin,
    end) offsets without blanks around, bodies included."""
    depth = 0
    begin = None
    for at in range(start, stop):
        char = code[at]
        if begin is None and not char.isspace() and char != ";":
            begin = at
        if char in "{([":
            depth += 1
        elif char in "})]":
            depth -= 1
        if begin is None or depth != 0:
            continue
        if char == ";":
            yield begin, at
            begin = None
        elif char == "}" and is_function(code[begin:at]):
            yield begin, at
            begin = None
    if begin is not None:
        yield begin, stop - 1


def is_function(text):
    """Is this the text of a function with a body?"""
    head = text.split("{", 1)[0]
    return "{" in text and head.rstrip().endswith(")")


def name_of(text):
    """A name to call a declaration by in a fault."""
    pointer = re.search(r"\(\s*\*\s*(\w+)", text)
    call = re.search(r"(\w+)\s*\((?!\s*\()", re.sub(r"__attribute__\s*\(\(.*?\)\)\s*", "", text))
    text = re.sub(r"\b_?[Aa]lignas\s*\([^)]*\)", "", text)
    head = re.sub(r"\s*(=.*|:\s*\w+\s*|\[[^;]*)$", "", text, flags=re.DOTALL)
    words = re.findall(r"\w+", head)
    if pointer:
        return pointer.group(1)
    if call:
        return call.group(1)
    return words[-1] if words else "?"


def field_names(text):
    """All names that one line of fields declares."""
    text = re.sub(r"\[[^\]]*\]|\b_?[Aa]lignas\s*\([^)]*\)", "", text)
    names = [name_of(text)]
    if "(" not in text:
        names = [name_of(piece) for piece in text.split(",")]
    return names


def check_fields(header, start, stop, about):
    """Fields between two offsets; `about` is the comment of the struct they are in."""
    code = header.code
    opened = tree.line_of(code, start)
    for begin, end in declarations(code, start, stop):
        text = code[begin:end]
        first, last = tree.line_of(code, begin), tree.line_of(code, end)
        brace = text.find("{")
        if re.match(r"\s*(_Static_assert|static_assert)\b", text):
            continue
        if brace >= 0 and TYPE.match(text):
            inner = about + header.comment_before(first)
            if not TYPE.match(text).group(1) == "enum":
                check_fields(header, begin + brace + 1, begin + text.rfind("}"), inner)
            if header.described(first, last) or header.described(first, first):
                continue
            if not text[text.rfind("}") + 1:].strip():
                continue  # a union or struct without a name: its fields speak for it
            names = [name_of(text[text.rfind("}") + 1:])]
        else:
            names = field_names(text)
        if header.described(first, last) or header.block_comment(first, opened):
            header.fields.update(names)
            continue
        if re.match(r"(enum|struct)\s+\w+\s+\w+(\[[^]]*\])?$", text):
            continue
        for name in names:
            counts = re.fullmatch(r"(\w+_)?(count|size)", name) and first - 1 > opened \
                and header.lines[first - 2].strip()
            if not (counts or name == "reserved" or re.search(rf"\b{name}\b", about)):
                header.faults[first, name] = f"{header.path}:{first}: field '{name}' has no " \
                    "comment: what is it, in which unit, whose?"


def check_header(path, text, defined, faults):
    header = Header(path, text)
    code = header.code
    enum_ends = set()
    for begin, end in declarations(code, 0, len(code)):
        whole = code[begin:end]
        first, last = tree.line_of(code, begin), tree.line_of(code, end)
        kind = TYPE.match(whole)
        if re.match(r"(_Static_assert|static_assert)\b", whole):
            continue
        if re.fullmatch(r"(struct|union|enum)\s+\w+\s*", whole):
            name = whole.split()[1]
            if name in defined:
                continue
            if not header.described(first, last):
                faults.append(f"{path}:{first}: opaque type '{name}' has no comment: what is it, "
                              f"who frees it?")
            continue
        if kind and "{" in whole and not is_function(whole):
            if kind.group(1) == "enum":
                enum_ends.add(last)
            about = header.comment_before(first)
            if not about:
                faults.append(f"{path}:{first}: {kind.group(1)} '{kind.group(2)}' has no comment")
            if kind.group(1) != "enum":
                check_fields(header, begin + whole.find("{") + 1, begin + whole.rfind("}"), about)
            continue
        if not header.described(first, last if "{" not in whole else first):
            faults.append(f"{path}:{first}: '{name_of(whole.split('{')[0])}' has no comment: what "
                          f"it does, units, ownership, errors, whether it blocks")
    faults += [fault for (_, name), fault in header.faults.items() if name not in header.fields]
    for name, first, last in header.macros:
        if not header.described(first, last) and not header.described(first, first) \
                and not header.block_comment(first, 0) and first - 1 not in enum_ends:
            faults.append(f"{path}:{first}: macro '{name}' has no comment")


def check(files):
    faults = []
    defined = set()
    for text in files.values():
        defined |= set(re.findall(r"\b(?:struct|union|enum)\s+(\w+)\s*\{", text))
    for path, text in files.items():
        check_header(path, text, defined, faults)
    return faults


GOOD = """// Opens.
#pragma once
#include <stddef.h>

struct a; // opaque
// A thing; `named` is covered here.
struct b {
    int x; // trailing
    int x_count;
    enum c kind;
    struct d inside[4];
    char reserved[2];
    // Before.
    int y;
    int z;
    int named;

    struct {
        int w; // inner
    };
    int (*call)(struct b *b, int n); // what it does
    // Bytes `m` or bits `n`.
    union {
        int m, n;
    } both;
};
// A thing again.
struct d {
    int y, z;
    char *w;
};
static_assert(sizeof(struct b) > 0, "; { (");
// Values.
enum c { C_ONE, C_TWO = 2 };
#define C_COUNT 2
// A block
#define ONE 1
#define TWO \\
    2
// Doubles "{" the input; takes ';' too.
static inline int twice(int x)
{
    if (x) {
        return 2 * x;
    }
    return 0;
}

// Contract.
int f(const char *text, ...)
    __attribute__((format(printf, 1, 2)));
extern const struct b *const all[]; // the table
/* Old style,
 * two lines. */
typedef int (*handler)(void *context);
"""

if __name__ == "__main__":
    tree.run(
        check,
        lambda path: path.startswith("src/") and path.endswith(".h"),
        bad=[
            ({"a.h": "// Opens.\n\nint f(void);\n"}, "a.h:3: 'f' has no comment"),
            ({"a.h": "// F.\nint f(void);\nint g(void);\n"}, "'g' has no comment"),
            ({"a.h": "// F.\n\nint f(void);\n"}, "'f' has no comment"),
            ({"a.h": "static inline int f(void)\n{\n    return 1; // one\n}\n"}, "'f' has no"),
            ({"a.h": "// F.\nstatic inline int f(void)\n{\n    return 1;\n}\nint h(void);\n"}, "'h'"),
            ({"a.h": "struct s {\n    int x; // x\n};\n"}, "struct 's' has no comment"),
            ({"a.h": "// S.\nstruct s {\n    int x; // x\n    int y, zz;\n};\n"}, "field 'zz'"),
            ({"a.h": "// S.\nstruct s {\n    // X.\n    int x;\n\n    int y[4];\n};\n"}, "'y'"),
            ({"a.h": "// S.\nstruct s {\n    int (*call)(int x);\n};\n"}, "field 'call'"),
            ({"a.h": "// S.\nstruct s {\n    struct {\n        int w;\n    } in; // x\n};\n"}, "'w'"),
            ({"a.h": "// S.\nstruct s {\n    unsigned bits : 3;\n};\n"}, "field 'bits'"),
            ({"a.h": "// S.\nstruct s {\n    int count;\n    int x; // x\n};\n"}, "field 'count'"),
            ({"a.h": "// S.\nstruct s {\n    _Alignas(64) char block[3];\n};\n"}, "field 'block'"),
            ({"a.h": "enum e { A, B };\n"}, "enum 'e' has no comment"),
            ({"a.h": "// Opens.\n\n#define X 1\n"}, "macro 'X'"),
            ({"a.h": "// Opens.\n\n#define X(a) \\\n    (a)\n"}, "macro 'X'"),
            ({"a.h": "// Opens.\n\nstruct s;\n"}, "opaque type 's'"),
            ({"a.h": "extern int v;\n"}, "'v' has no comment"),
            ({"a.h": "typedef int t;\n"}, "'t' has no comment"),
            ({"a.h": '// A "\nint a(void);\n// " B\n\nint b(void);\n'}, "'b' has no comment"),
        ],
        good=[{"a.h": GOOD}])
