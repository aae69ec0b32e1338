"""Where each setting's value comes from: a variable, the file, or the defaults."""

from typing import Any

from pydantic_settings import EnvSettingsSource, YamlConfigSettingsSource

from responder.settings import Settings, file


def origins() -> dict[str, str]:
    """The dotted names that somebody set, and who did; what is not there is a default."""
    found: dict[str, str] = {}
    _note(found, YamlConfigSettingsSource(Settings, yaml_file=file())(), str(file()))
    _note(found, EnvSettingsSource(Settings)(), "environment")
    return found


def _note(found: dict[str, str], value: Any, origin: str, name: str = "") -> None:  # noqa: ANN401 - any JSON
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _note(found, item, origin, f"{name}.{key}" if name else str(key))
    elif name:
        found[name] = origin
