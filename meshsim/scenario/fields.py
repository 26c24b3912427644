"""Fields of files that users write, as pydantic's core takes them: the words that file schemas are made of.

A schema is given to pydantic's core as it is, without model classes: importing pydantic and building models takes
longer than everything else that `meshsim run` does with a small mesh.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic_core import core_schema as core

Schema = Any
Fields = dict[str, Any]

TEXT: Final[Schema] = core.str_schema(strict=True)
FLAG: Final[Schema] = core.bool_schema(strict=True)
ANY: Final[Schema] = core.any_schema()


def one_of(words: Sequence[str]) -> Schema:
    """One of some words."""
    return core.literal_schema(list(words))


def count(least: int = 0, most: int | None = None) -> Schema:
    """A whole number."""
    return core.int_schema(strict=True, ge=least, le=most)


def read(function: Callable[[Any], Any], json: dict[str, Any]) -> Schema:
    """A value that `function` reads or refuses; `json` is its JSON Schema."""
    return core.no_info_plain_validator_function(function, metadata={"json": json})


def mapping_of(values: Schema, keys: Schema = TEXT) -> Schema:
    """A mapping with keys of the user's own."""
    return core.dict_schema(keys, values, strict=True)


def list_of(items: Schema) -> Schema:
    """A list of things of one kind."""
    return core.list_schema(items, strict=True)


def may(schema: Schema, description: str = "") -> Schema:
    """An optional field; null is the same as leaving it out."""
    return core.typed_dict_field(core.nullable_schema(schema), required=False, metadata={"description": description})


def opt(schema: Schema, description: str = "") -> Schema:
    """An optional field that cannot be null."""
    return core.typed_dict_field(schema, required=False, metadata={"description": description})


def must(schema: Schema, description: str = "") -> Schema:
    """A field that must be there."""
    return core.typed_dict_field(schema, required=True, metadata={"description": description})


def mapping(fields: Fields) -> Schema:
    """A mapping with these fields and no others."""
    return core.typed_dict_schema(fields, extra_behavior="forbid", strict=True)


def json_schema(fields: Fields, title: str) -> dict[str, Any]:
    """The JSON Schema of a file with these fields, for editors. It uses pydantic proper."""
    from pydantic.json_schema import GenerateJsonSchema

    class Generate(GenerateJsonSchema):
        """Functions and fields say themselves what they take."""

        def function_plain_schema(self, schema: Any) -> dict[str, Any]:
            return dict(schema["metadata"]["json"])

        def function_before_schema(self, schema: Any) -> dict[str, Any]:
            return dict(schema["metadata"]["json"])

        def nullable_schema(self, schema: Any) -> dict[str, Any]:
            return self.generate_inner(schema["schema"])

        def typed_dict_field_schema(self, schema: Any) -> dict[str, Any]:
            inner = self.generate_inner(schema["schema"])
            description = schema["metadata"]["description"]
            return {**inner, "description": description} if description else inner

    schema: dict[str, Any] = Generate().generate(mapping(fields))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = title
    return schema
