"""The public names of the package."""

from twilio_taskrouter_worker.local.engine import expressions


def test_all_is_sorted_complete_and_importable() -> None:
    """What the package imports for its users is what it lists, and every name is there."""
    public = {name for name in vars(expressions) if name[0].isupper()} | {
        name for name in vars(expressions) if name.startswith("compile_")
    }
    assert set(expressions.__all__) == public
    assert len(expressions.__all__) == len(set(expressions.__all__))
