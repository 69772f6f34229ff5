"""Draw the wings of the package, and which imports which, as an SVG made from the code."""

import ast
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1] / "skdidan"
WIDTH, HEAD, LINE, GAP = 190, 36, 17, 46  # px: of a box, its title, a line, between boxes


class Box(NamedTuple):
    """Left and upper end of a box, and its height."""

    x: float
    y: float
    tall: float


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


def arrange(arrows: dict[str, set[str]], heights: dict[str, int]) -> list[list[str]]:
    """Return the rows of wings from the bottom; a wing stands above those that it imports."""
    rows: list[list[str]] = []
    centres: dict[str, float] = {}
    for n in range(1, max(heights.values()) + 1):
        row = [wing for wing in sorted(heights) if heights[wing] == n]
        row.sort(key=lambda wing: fmean([centres[other] for other in arrows[wing]] or [0.0]))
        centres |= {wing: k - len(row) / 2 for k, wing in enumerate(row)}
        rows.append(row)
    return rows


def place(rows: list[list[str]], found: dict[str, list[str]]) -> tuple[dict[str, Box], float]:
    """Return the box of each wing, as high as the longest list in its row, and the width of all."""
    width = max(map(len, rows)) * (WIDTH + GAP) + GAP
    boxes, y = {}, GAP / 2
    for row in reversed(rows):
        left = (width - len(row) * (WIDTH + GAP) + GAP) / 2
        tall = HEAD + max(len(_lines(found[wing])) for wing in row) * LINE
        boxes |= {wing: Box(left + k * (WIDTH + GAP), y, tall) for k, wing in enumerate(row)}
        y += tall + GAP
    return boxes, width


def connect(wing: str, other: str, rows: list[list[str]], boxes: dict[str, Box]) -> str:
    """Return the arrow from a wing to one that it imports, round the boxes of rows between."""
    start, end = boxes[wing], boxes[other]
    points = [(start.x + WIDTH / 2, start.y + start.tall)]
    level = {name: n for n, row in enumerate(rows) for name in row}
    for n in range(level[wing] - 1, level[other], -1):
        middle = (start.x + end.x + WIDTH) / 2
        gap = min((boxes[name].x - GAP / 2 for name in rows[n]), key=lambda x: abs(x - middle))
        top, tall = boxes[rows[n][0]][1:]
        points += [(gap, top), (gap, top + tall)]
    points.append((end.x + WIDTH / 2, end.y - 3))
    path = " ".join(f"{x},{y}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="#777" stroke-width="1.5" '
        'marker-end="url(#tip)"/>'
    )


def draw() -> str:
    """Return the picture; arrows point to what is imported, where no longer path shows it."""
    found = wings()
    arrows = {wing: imports(wing, found) for wing in found if wing != "ground"}
    rows = arrange(arrows, levels(arrows))
    boxes, width = place(rows, found)
    parts = []
    for wing, below in arrows.items():
        implied = {other for one in below for other in arrows[one]}
        parts += [connect(wing, other, rows, boxes) for other in sorted(below - implied)]
    parts += [_draw_box(box, WIDTH, wing, _lines(found[wing])) for wing, box in boxes.items()]
    bottom = max(box.y + box.tall for box in boxes.values()) + GAP
    ground = _lines(found["ground"], 110)
    tall = HEAD + len(ground) * LINE
    parts.append(_draw_box(Box(GAP, bottom, tall), width - 2 * GAP, "ground", ground))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + tall + 20}" '
        'font-family="sans-serif" font-size="14">'
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#777"/></marker>'
        + "".join(parts)
        + "</svg>"
    )


def _lines(names: list[str], width: int = 24) -> list[str]:
    """Wrap the names of modules into lines of a box."""
    lines = [""]
    for name in names:
        if lines[-1] and len(lines[-1]) + len(name) > width:
            lines.append("")
        lines[-1] += f"{name}, "
    return [line.strip() for line in lines[:-1]] + [lines[-1].strip(", ")]


def _draw_box(box: Box, width: float, title: str, lines: list[str]) -> str:
    middle = box.x + width / 2
    text = "".join(
        f'<text x="{middle}" y="{box.y + 40 + n * LINE}" text-anchor="middle" fill="#444">{line}'
        "</text>"
        for n, line in enumerate(lines)
    )
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{width}" height="{box.tall}" rx="6" fill="#f4f7fb" '
        f'stroke="#5b7fa6"/><text x="{middle}" y="{box.y + 20}" text-anchor="middle" '
        f'font-weight="bold" font-size="16">{title}</text>{text}'
    )


if __name__ == "__main__":
    print(draw())
