"""Have the reference show how classes made by attrs are called: griffe knows only those of the standard library.

Loaded by mkdocs.yml.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from griffe import (
    Attribute,
    Class,
    Expr,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    Parameter,
    ParameterKind,
    Parameters,
)

MAKERS = frozenset({"attrs.define", "attrs.frozen"})


def keywords(call: Any) -> dict[str, Any]:
    """Return the keyword arguments of a call, as they are written."""
    arguments = call.arguments if isinstance(call, ExprCall) else []
    return {argument.name: argument.value for argument in arguments if isinstance(argument, ExprKeyword)}


def parameter(attribute: Attribute, *, only_keywords: bool) -> Parameter | None:
    """Return what ``__init__`` takes for *attribute*, if it takes it."""
    value: str | Expr | None = attribute.value
    given = keywords(value)
    # A function of our own that makes fields takes the default under the same name.
    if isinstance(value, ExprCall) and (value.canonical_path == "attrs.field" or "default" in given):
        if str(given.get("init")) == "False":
            return None
        only_keywords = only_keywords or str(given.get("kw_only")) == "True"
        value = f"{given['factory']}()" if "factory" in given else given.get("default")
    kind = ParameterKind.keyword_only if only_keywords else ParameterKind.positional_or_keyword
    return Parameter(attribute.name.lstrip("_"), annotation=attribute.annotation, kind=kind, default=value)


def is_field(member: Any) -> TypeGuard[Attribute]:
    """Tell whether attrs makes a field of *member*: griffe counts properties among the attributes."""
    if not isinstance(member, Attribute) or "property" in member.labels or member.annotation is None:
        return False
    return "ClassVar" not in str(member.annotation)


class AttrsSignatures(Extension):
    """Gives each class made by attrs the ``__init__`` that it will have."""

    def on_class_members(self, *, cls: Class, **_: Any) -> None:
        """Add it, where there is none."""
        makers = [one for one in cls.decorators if one.callable_path in MAKERS]
        if not makers or "__init__" in cls.members:
            return
        only_keywords = str(keywords(makers[0].value).get("kw_only")) == "True"
        taken = [parameter(one, only_keywords=only_keywords) for one in cls.members.values() if is_field(one)]
        made = [Parameter("self", kind=ParameterKind.positional_or_keyword), *(one for one in taken if one is not None)]
        made.sort(key=lambda one: one.kind is ParameterKind.keyword_only)
        cls.set_member("__init__", Function("__init__", parameters=Parameters(*made), returns="None"))
