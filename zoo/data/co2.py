"""Carbon dioxide in the air over Mauna Loa, Hawaii: weekly means from March 1958 to December 2001, no download.

C. D. Keeling and T. P. Whorf, "Atmospheric CO2 concentrations derived from flask air samples at sites in the SIO
network", in "Trends: A Compendium of Data on Global Change", Carbon Dioxide Information Analysis Center, 2004; public
domain. `co2.csv` holds the 2,284 weeks that statsmodels 0.15 carries in `datasets/co2`, in parts per million by volume.
In 59 of them nothing was measured, 18 of these in a row in 1964, and none after 1985: there stands the line from the
week before to the week after, and 0 in the column `measured`.
"""

from pathlib import Path
from typing import Any

from zoo.data.series import SeriesData


class CO2(SeriesData):
    """The weeks of Mauna Loa.

    Args:
        path: another file of the same columns; None for the one that lies here.
        **options: as of `SeriesData`.
    """

    def __init__(self, *, path: str | None = None, **options: Any) -> None:
        super().__init__(path=path or str(Path(__file__).with_name("co2.csv")), **options)
