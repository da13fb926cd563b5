"""Parameters of what a case names by its kind: targets, starts, samplers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Numbers as a case file has them: no booleans, no text, nothing infinite.
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
Vector = tuple[Real, ...]
Matrix = tuple[Vector, ...]


class Parameters(BaseModel):
    """Frozen parameters that accept NumPy arrays as well as lists, and no unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return plain(data)


def plain(value: Any) -> Any:
    """``value`` with NumPy arrays and scalars as lists and numbers, copied down to the leaves."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
