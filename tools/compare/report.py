"""What a comparison is written as: Markdown tables, and a plot of times against sizes as SVG."""
import math
import xml.sax.saxutils

# Colours that stay apart for colour-blind readers (Okabe and Ito 2008).
COLOURS = {"gossamer": "#0072b2", "gossamer-call": "#56b4e9", "open-mpi": "#d55e00", "mpich": "#009e73",
           "gloo": "#cc79a7", "floor": "#777777"}
WIDTH, HEIGHT, LEFT, TOP, GAP_X, GAP_Y, LEGEND = 430, 290, 72, 64, 92, 96, 20


def size_text(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def number(value):
    """Three digits that matter."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def all_reduce_tables(rows, floors, labels):
    """One for each network and number of ranks: medians, and the rivals' times over Gossamer's."""
    parts = []
    for network, ranks in dict.fromkeys((row["network"], row["ranks"]) for row in rows):
        here = [row for row in rows if (row["network"], row["ranks"]) == (network, ranks)]
        names = list(dict.fromkeys(row["program"] for row in here))
        rivals = [name for name in names if name != "gossamer" and not name.startswith("gossamer-")]
        rate = next((each["alone_bytes_per_s"] for each in floors if each["ranks"] == ranks), None) \
            if network != "shared-memory" else None
        head = ["bytes"] + [f"{labels[name]}, us" for name in names] + [f"{labels[name]} / Gossamer" for name in rivals]
        head += ["p99: Gossamer"] + [f"p99: {labels[name]}" for name in rivals] + (["floor / Gossamer"] if rate else [])
        lines = []
        for size in dict.fromkeys(row["bytes"] for row in here):
            by_name = {row["program"]: row for row in here if row["bytes"] == size}

            def cell(name, key, by_name=by_name):
                return number(by_name[name][key]) if key in by_name.get(name, {}) else ""
            line = [size_text(size)] + [cell(name, "p50_us") for name in names]
            line += [cell(name, "ratio") for name in rivals]
            line += [cell("gossamer", "p99_us")] + [cell(name, "p99_us") for name in rivals]
            if rate:
                line += [cell("gossamer", "share_of_floor")]
            lines.append(line)
        title = "Shared memory" if network == "shared-memory" else "1 Gbit/s"
        parts.append(f"{title}, {ranks} ranks:\n\n{table(head, lines)}\n")
    for each in floors:
        alone, together = (each[f"{how}_bytes_per_s"] / 1e6 for how in ("alone", "together"))
        parts.append(f"A plain TCP stream between {each['ranks']} hosts: {alone:.1f} MB/s alone, {together:.1f} MB/s "
                     "where every host sends to its next at once.\n")
    return "\n".join(parts)


class Axis:
    """Logarithmic, with room at both ends."""

    def __init__(self, values, origin, length, base):
        low, high = math.log(min(values)), math.log(max(values))
        room = 0.04 * max(high - low, 1)
        self.low, self.high, self.origin, self.length, self.base = low - room, high + room, origin, length, base

    def at(self, value):
        return self.origin + self.length * (math.log(value) - self.low) / (self.high - self.low)

    def ticks(self):
        first, last = math.ceil(self.low / math.log(self.base)), math.floor(self.high / math.log(self.base))
        return [self.base ** power for power in range(first, last + 1)]


def time_text(us):
    return f"{us / 1e6:g} s" if us >= 1e6 else f"{us / 1e3:g} ms" if us >= 1e3 else f"{us:g} us"


def plot(rows, floors, labels):
    """Panels of medians in us against bytes, two in a row, one for each network and number of ranks."""
    places = list(dict.fromkeys((row["network"], row["ranks"]) for row in rows))
    names = list(dict.fromkeys(row["program"] for row in rows))
    columns = min(2, len(places))
    lines = math.ceil(len(places) / columns)
    width = columns * (WIDTH + GAP_X) + 12
    height = TOP + lines * (HEIGHT + GAP_Y)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="{LEFT}" y="24" font-size="16">All-reduce of f32 sums: median time, slowest rank</text>']
    at = LEFT
    legend = names + (["floor"] if floors else [])
    for name in legend:
        text = labels.get(name, "floor of the wire")
        out.append(f'<path d="M{at} 43 h22" stroke="{COLOURS[name]}" stroke-width="2.5"'
                   + (' stroke-dasharray="5 4"' if name == "floor" else "") + "/>")
        out.append(f'<text x="{at + 27}" y="47">{xml.sax.saxutils.escape(text)}</text>')
        at += 52 + 7 * len(text)
    for index, (network, ranks) in enumerate(places):
        here = [row for row in rows if (row["network"], row["ranks"]) == (network, ranks)]
        x0 = LEFT + (index % columns) * (WIDTH + GAP_X)
        y0 = TOP + 28 + (index // columns) * (HEIGHT + GAP_Y)
        rate = next((each["alone_bytes_per_s"] for each in floors if each["ranks"] == ranks), None)
        out += panel(here, names, x0, y0, None if network == "shared-memory" else rate,
                     f"{'shared memory' if network == 'shared-memory' else '1 Gbit/s'}, {ranks} ranks")
    return "\n".join(out + ["</svg>"]) + "\n"


def panel(rows, names, x0, y0, rate, title):
    x = Axis([row["bytes"] for row in rows], x0, WIDTH, 2)
    y = Axis([row["p50_us"] for row in rows], y0 + HEIGHT, -HEIGHT, 10)
    out = [f'<text x="{x0}" y="{y0 - 10}" font-weight="bold">{title}</text>']
    for tick in y.ticks():
        out.append(f'<path d="M{x0} {y.at(tick):.1f} h{WIDTH}" stroke="#ddd"/><text x="{x0 - 8}" '
                   f'y="{y.at(tick) + 4:.1f}" text-anchor="end">{time_text(tick)}</text>')
    for tick in x.ticks():
        if round(math.log2(tick)) % 4 == 2:
            out.append(f'<path d="M{x.at(tick):.1f} {y0} v{HEIGHT}" stroke="#ddd"/><text x="{x.at(tick):.1f}" '
                       f'y="{y0 + HEIGHT + 18}" text-anchor="middle">{size_text(int(tick))}</text>')
    out.append(f'<path d="M{x0} {y0} v{HEIGHT} h{WIDTH}" fill="none" stroke="#444"/>')
    if rate:
        ranks = rows[0]["ranks"]
        line = [(size, 2 * (ranks - 1) / ranks * size / rate * 1e6) for size in sorted({row["bytes"] for row in rows})]
        line = [(size, us) for size, us in line if y.low <= math.log(us) <= y.high]
        out.append(polyline([(x.at(size), y.at(us)) for size, us in line], COLOURS["floor"], ' stroke-dasharray="5 4"'))
    for name in reversed(names):  # Gossamer lies on top
        points = [(x.at(row["bytes"]), y.at(row["p50_us"])) for row in rows if row["program"] == name]
        out.append(polyline(points, COLOURS[name], ""))
        out += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{COLOURS[name]}" stroke="#fff"/>'
                for px, py in points]
    return out


def polyline(points, colour, more):
    if not points:
        return ""
    return (f'<polyline fill="none" stroke="{colour}" stroke-width="2.5"{more} points="'
            + " ".join(f"{px:.1f},{py:.1f}" for px, py in points) + '"/>')
