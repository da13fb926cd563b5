"""What the tables of a case file have in common: frozen, checked models, one for each table.

Lengths and times are in the units of the potential, which is in kT. `wfrpde.case.Case` puts the
tables together and checks them against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)

from wfrpde.errors import InputError
from wfrpde.fields.complaints import unknown_key

Number = Annotated[float, Strict(), AllowInfNan(False)]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, Strict()]
PositiveNumber = Annotated[float, Strict(), AllowInfNan(False), Field(gt=0)]


class Section(BaseModel):
    """One table of the case file."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False)

    @property
    def altered(self) -> set[str]:
        """Keys whose values are not the default ones, also in a case that was stored in full."""
        fields = type(self).model_fields.items()
        return {
            key
            for key, field in fields
            if getattr(self, key) != field.get_default(call_default_factory=True)
        }


class OpenSection(Section):
    """A table whose further keys depend on its ``kind``; they are collected in ``parameters``."""

    section: ClassVar[str]
    parameters: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect_parameters(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        fixed = {k: v for k, v in data.items() if k in cls.model_fields and k != "parameters"}
        others = {k: v for k, v in data.items() if k not in cls.model_fields}
        given = data.get("parameters") or {}
        if not isinstance(given, Mapping):
            raise InputError(f"{cls.section}.parameters", repr(given), "a table, or keys beside it")
        collected = {**given, **others}
        return {**fixed, "parameters": collected} if collected else fixed

    @model_serializer(mode="wrap")
    def _spread_parameters(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        parameters = data.pop("parameters", {})
        return {**data, **parameters}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema.get("properties", {}).pop("parameters", None)
        schema["additionalProperties"] = True
        return schema

    def _reject_parameters(self, because: str) -> None:
        for key in self.parameters:
            raise unknown_key(
                self.section, key, set(type(self).model_fields) - {"parameters"}, because
            )
