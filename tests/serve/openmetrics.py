"""Reads OpenMetrics 1.0 text and objects to what it may not hold: what a scraper would refuse, and
what it would take without being able to use it."""

import re

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)\Z")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\Z)')
_SUFFIXES = {"counter": ("_total", "_created"), "gauge": ("",), "unknown": ("",),
             "histogram": ("_bucket", "_count", "_sum", "_created")}


class Wrong(Exception):
    pass


def _labels(text):
    labels, at = {}, 0
    while at < len(text):
        found = _LABEL.match(text, at)
        if not found or found.group(1) in labels:
            raise Wrong(f"labels {text!r}")
        labels[found.group(1)] = found.group(2)
        at = found.end()
    if text.endswith(","):
        raise Wrong(f"labels {text!r}")
    return labels


def _histogram_check(name, samples):
    series = {}
    for sample, labels, value in samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        series.setdefault(key, {"_bucket": []})
        suffix = sample[len(name):]
        if suffix == "_bucket":
            series[key]["_bucket"].append((float(labels["le"]), value))
        else:
            series[key][suffix] = value
    for found in series.values():
        buckets = found["_bucket"]
        rising = sorted(buckets)
        if (buckets != rising or [n for _, n in buckets] != sorted(n for _, n in buckets) or
                not buckets or buckets[-1] != (float("inf"), found.get("_count"))):
            raise Wrong(f"buckets of {name}: {buckets}, count {found.get('_count')}")


def parse(text):
    """{family: (type, [(sample, labels, value)])}, or Wrong."""
    if not text.endswith("# EOF\n") or text.count("# EOF") != 1:
        raise Wrong("no end")
    families, name, kind, seen, heads = {}, None, None, set(), set()
    for line in text.split("\n")[:-2]:
        if line.startswith("# "):
            word, family, rest = (line[2:] + "  ").split(" ", 2)
            if word not in ("TYPE", "HELP", "UNIT") or not _NAME.match(family):
                raise Wrong(line)
            if family != name:
                if word != "TYPE" or family in families:
                    raise Wrong(f"{line}: a family begins with its type, once")
                name, kind, heads = family, rest.strip(), set()
                if kind not in _SUFFIXES or (kind == "counter" and name.endswith("_total")):
                    raise Wrong(line)
                families[name] = (kind, [])
            if word in heads or families[name][1]:
                raise Wrong(f"{line}: twice, or behind samples")
            heads.add(word)
            if word == "UNIT" and not name.endswith("_" + rest.strip()):
                raise Wrong(f"{line}: the name does not end so")
            continue
        found = _SAMPLE.match(line)
        if not found or name is None:
            raise Wrong(f"{line!r}: no sample")
        sample, labels, value = found.group(1), _labels(found.group(2) or ""), float(found.group(3))
        if not sample.startswith(name) or sample[len(name):] not in _SUFFIXES[kind]:
            raise Wrong(f"{line}: not of {name}")
        if kind in ("counter", "histogram") and (value < 0 or value != value):
            raise Wrong(f"{line}: a count below nothing")
        if "HELP" not in heads:
            raise Wrong(f"{name} says not what it is")
        key = (sample, tuple(sorted(labels.items())))
        if key in seen:
            raise Wrong(f"{line}: twice")
        seen.add(key)
        families[name][1].append((sample, labels, value))
    for name, (kind, samples) in families.items():
        if kind == "histogram":
            _histogram_check(name, samples)
    return families
