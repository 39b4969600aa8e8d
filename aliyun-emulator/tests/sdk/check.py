"""What the scripts share: errors that are expected, and things done at once."""

from concurrent.futures import ThreadPoolExecutor


def at_once(count, action):
    """The results of `action(0)` … `action(count - 1)`, each in a thread of its own."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(action, range(count)))


def refused(action, error_type, **expected):
    """Fails unless `action` raises `error_type` with these attributes; returns the error."""
    try:
        action()
    except error_type as error:
        for name, value in expected.items():
            found = getattr(error, name)
            found = found() if callable(found) else found
            assert found == value, f"{name} is {found!r}, not {value!r}: {error}"
        return error
    raise AssertionError(f"nothing was refused; expected {expected}")
