"""Make the pictures anew: ``tools/env python docs/make_pictures.py [CASE…]``.

With names of shipped cases, only their pictures of the gallery.

``barrier.png``, of the README, is what its example draws, exactly.
``comparison.png`` and ``four-modes.png`` are figures of the runs of two shipped cases, and
``sweep.png`` and ``modes.png`` of their spectra.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "_static"
GALLERY = PICTURES / "gallery"


def draw_example(folder: Path) -> None:
    """Run the first Python block of the README in the working folder and keep its picture."""
    import matplotlib as mpl

    mpl.rcdefaults()  # as for a person without settings of their own
    mpl.use("agg")
    text = (HERE.parent / "README.md").read_text(encoding="utf-8")
    example = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert example is not None, "README.md has no Python block"
    exec(example[1], {})
    keep(folder / "barrier.png", PICTURES / "barrier.png")


def draw_run(name: str, figure: str, picture: str, folder: Path) -> None:
    """Solve a shipped case with its companions, and keep one figure of the run."""
    from wfrpde.case import load_case
    from wfrpde.commands.solve import run_case

    case = load_case(name, {"output.paraview": False})
    run_case(case, folder / name)
    keep(folder / name / "figures" / figure, PICTURES / picture)


def draw_spectrum(
    name: str, figure: str, picture: str, folder: Path, swept: tuple[str, list[float]] | None = None
) -> None:
    """Compute the spectrum of a shipped case, or sweep it, and keep one figure."""
    from wfrpde.case import load_case
    from wfrpde.commands.spectrum import run_spectrum

    out = folder / f"{name}-{picture}"
    run_spectrum(load_case(name, {"output.paraview": False}), out, swept=swept)
    keep(out / "figures" / figure, PICTURES / picture)


def draw_gallery(name: str, folder: Path) -> None:
    """Run what a shipped case is for, and keep the figure that shows most of it."""
    from wfrpde.case.files import shown_by
    from wfrpde.commands.cli import main as wfrpde

    command = shown_by(name)
    figures = {
        "validate": ["differences"],
        "spectrum": ["modes"],
        "solve": ["work", "comparison", "density", "marginals", "kl"],
    }[command]
    out = folder / f"gallery-{name}"
    wfrpde([command, name, "--out", str(out), "--quiet", "--set", "output.paraview=false"])
    drawn = [out / "figures" / f"{figure}.png" for figure in figures]
    keep(next(path for path in drawn if path.is_file()), GALLERY / f"{name}.png", colours=192)


def keep(source: Path, target: Path, colours: int = 0) -> None:
    """Copy a picture, packed as well as PNG can, with so many colours or all."""
    from PIL import Image

    with Image.open(source) as image:
        picture = image.convert("RGB")
        if colours:
            picture = picture.quantize(colours, dither=Image.Dither.NONE)
        picture.save(target, optimize=True)
    print(f"{target.relative_to(HERE.parent)}: {target.stat().st_size // 1000} kB")


def main() -> None:
    """Make all pictures, or those of some cases."""
    from wfrpde.case.files import case_titles

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        if len(sys.argv) > 1:
            for case in sys.argv[1:]:
                draw_gallery(case, folder)
            return
        draw_example(folder)
        draw_run("tilted-double-well", "comparison.png", "comparison.png", folder)
        draw_run("four-modes", "density.png", "four-modes.png", folder)
        barriers = ("target.barrier", [float(b) for b in range(2, 41, 2)])
        draw_spectrum("slow-sampler", "sweep.png", "sweep.png", folder, barriers)
        draw_spectrum("slow-sampler", "modes.png", "modes.png", folder)
        for case in case_titles():
            draw_gallery(case, folder)


if __name__ == "__main__":
    main()
