"""The table of `make channels`: drawn channels against the baselines, with standard errors over groups."""

import numpy as np
import pandas as pd

from comp.base.errors import DataError
from comp.base.text_table import aligned
from comp.imputation.held_out_scores import MEASURES, METHODS
from comp.metrics.group_mean import group_mean

BASELINES = METHODS[1:]
TITLES = {
    "psnr": ("peak signal-to-noise ratio, dB", ".2f"),
    "ssim": ("structural similarity", ".3f"),
    "correlation": ("correlation", ".3f"),
}
SURE = 2.0  # standard errors


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """A row for each measure, given channels and drawn channel.

    Args:
        scores: as `comp.imputation.held_out_scores.held_out_scores` gives them.

    Returns:
        measure, given, drawn, images; the mean of each method and its standard error over groups, as NAME and NAME_error; `better`, the
        baseline with the higher mean, and `gain` over it with `gain_error`, of paired images.

    Raises:
        DataError: there are no scores, because every channel is black.
    """
    if scores.empty:
        raise DataError("every channel of the images is black, so there is nothing to score", "give images with some light: DATA=dir")
    found = []
    for measure in MEASURES:
        for (given, drawn), part in scores.groupby(["given", "drawn"], sort=False):
            values = part.pivot(index="id", columns="method", values=measure)
            groups = part.drop_duplicates("id").set_index("id")["group"].loc[values.index].to_numpy()
            means = {method: group_mean(values[method].to_numpy(), groups) for method in METHODS}
            better = max(BASELINES, key=lambda method: means[method].value)
            gain = group_mean((values["generator"] - values[better]).to_numpy(), groups)
            found.append({
                "measure": measure, "given": given, "drawn": drawn, "images": len(values),
                **{method: mean.value for method, mean in means.items()},
                **{f"{method}_error": mean.error for method, mean in means.items()},
                "better": better, "gain": gain.value, "gain_error": gain.error,
            })  # fmt: skip
    return pd.DataFrame(found)


def score_text(table: pd.DataFrame) -> str:
    """The summary as text, a part for each measure, and a line that counts."""
    parts = []
    for measure, (title, form) in TITLES.items():
        lines = [["given", "drawn", "generator", "copying", "regression", "gain over the better"]]
        for _, row in table[table["measure"] == measure].iterrows():
            shown = [f"{row[method]:{form}} +- {row[f'{method}_error']:{form}}" for method in METHODS]
            lines.append([row["given"], row["drawn"], *shown, f"{row['gain']:+{form}} +- {row['gain_error']:{form}}"])
        parts.append("\n".join([title, *aligned(lines)]))
    better, sure = int((table["gain"] > 0).sum()), int((table["gain"] > SURE * table["gain_error"].replace(np.nan, np.inf)).sum())
    parts.append(f"better than both baselines in {better} of {len(table)}, by more than two standard errors in {sure}")
    return "\n\n".join(parts)
