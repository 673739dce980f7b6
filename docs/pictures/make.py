"""Draws the pictures of the documentation: `python docs/pictures/make.py`."""

from pathlib import Path

from tocsin.commands.demo import panels_of, stream, the_plant
from tocsin.evaluation.picture import draw

HERE = Path(__file__).parent


def main() -> None:
    """The demo's plant: the three series with most to see."""
    plant = the_plant(seed=0)
    panels = panels_of(plant, stream(plant))
    draw(panels, HERE / "plant.png", "Two weeks of a simulated plant, judged as they came", most=3)


if __name__ == "__main__":
    main()
