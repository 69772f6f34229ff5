"""Draw the wings of the package, and which imports which, as an SVG made from the code."""

import ast
from pathlib import Path
from statistics import fmean

PACKAGE = Path(__file__).parents[1] / "skdidan"
WIDTH, ROW, LINE, GAP = 190, 110, 15, 46  # px: of a box, between rows, of a line of text


def wings() -> dict[str, list[str]]:
    """List the modules of each folder; those beside the folders are "ground", but for "tables"."""
    found: dict[str, list[str]] = {"ground": [], "tables": []}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem not in ("__init__", "__main__"):
            beside = "tables" if path.stem == "tables" else "ground"
            wing = path.parent.name if path.parent != PACKAGE else beside
            found.setdefault(wing, []).append(path.stem)
    return found


def imports(wing: str, found: dict[str, list[str]]) -> set[str]:
    """Name the wings that the modules of a wing import, but for itself and the ground."""
    folder = PACKAGE / wing if (PACKAGE / wing).is_dir() else PACKAGE
    used: set[str] = set()
    for module in found[wing]:
        for node in ast.walk(ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skdidan"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                used |= {name.split(".")[1] for name in names}
    return used & (found.keys() - {"ground", wing})


def levels(arrows: dict[str, set[str]]) -> dict[str, int]:
    """Put each wing one row above the highest that it imports."""
    heights: dict[str, int] = {}

    def height(wing: str) -> int:
        if wing not in heights:
            heights[wing] = 1 + max((height(below) for below in arrows[wing]), default=0)
        return heights[wing]

    for wing in arrows:
        height(wing)
    return heights


def draw() -> str:
    """Return the picture; arrows point to what is imported, where no longer path shows it."""
    found = wings()
    arrows = {wing: imports(wing, found) for wing in found if wing != "ground"}
    heights = levels(arrows)
    n_rows = max(heights.values())
    rows: list[list[str]] = []
    centres: dict[str, float] = {}
    for n in range(1, n_rows + 1):
        # A wing stands above those that it imports, so that few arrows cross.
        row = [wing for wing in sorted(heights) if heights[wing] == n]
        row.sort(key=lambda wing: fmean([centres[other] for other in arrows[wing]] or [0.0]))
        centres |= {wing: k - len(row) / 2 for k, wing in enumerate(row)}
        rows.append(row)
    n_lines = max(len(_lines(found[wing])) for wing in arrows)
    step = ROW - 60 + n_lines * LINE + GAP
    width = max(map(len, rows)) * (WIDTH + GAP) + GAP
    places = {}
    for n, row in enumerate(rows):
        left = (width - len(row) * (WIDTH + GAP) + GAP) / 2
        y = GAP / 2 + (n_rows - 1 - n) * step
        places |= {wing: (left + k * (WIDTH + GAP), y) for k, wing in enumerate(row)}
    tall = step - GAP
    parts = []
    for wing, below in arrows.items():
        implied = {other for one in below for other in arrows[one]}
        for other in sorted(below - implied):
            (x, y), (end, low) = places[wing], places[other]
            points = [(x + WIDTH / 2, y + tall)]
            for n in range(heights[wing] - 1, heights[other], -1):  # round the boxes between
                top = GAP / 2 + (n_rows - n) * step
                gaps = [places[box][0] - GAP / 2 for box in rows[n - 1]]
                gap = min(gaps, key=lambda gap: abs(gap - (x + end + WIDTH) / 2))
                points += [(gap, top), (gap, top + tall)]
            points.append((end + WIDTH / 2, low - 3))
            path = " ".join(f"{x},{y}" for x, y in points)
            parts.append(
                f'<polyline points="{path}" fill="none" stroke="#777" stroke-width="1.5" '
                'marker-end="url(#tip)"/>'
            )
    parts += [_box(*places[wing], WIDTH, tall, wing, _lines(found[wing])) for wing in arrows]
    bottom = GAP / 2 + n_rows * step
    parts.append(_box(GAP, bottom, width - 2 * GAP, 50, "ground", [", ".join(found["ground"])]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 70}" '
        'font-family="sans-serif" font-size="12">'
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#777"/></marker>'
        + "".join(parts)
        + "</svg>"
    )


def _lines(names: list[str]) -> list[str]:
    """Wrap the names of modules into lines of a box."""
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > 26:
            lines.append("")
        lines[-1] += f"{name}  "
    return [line.strip() for line in lines]


def _box(x: float, y: float, width: float, height: float, title: str, lines: list[str]) -> str:
    middle = x + width / 2
    text = "".join(
        f'<text x="{middle}" y="{y + 38 + n * LINE}" text-anchor="middle" fill="#555">{line}</text>'
        for n, line in enumerate(lines)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="#f4f7fb" '
        f'stroke="#5b7fa6"/><text x="{middle}" y="{y + 20}" text-anchor="middle" '
        f'font-weight="bold" font-size="14">{title}</text>{text}'
    )


if __name__ == "__main__":
    print(draw())
