"""What the scripts share: the emulator itself, errors that are expected, and things done at once."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor


def emulator(endpoint, path, body=None, method=None):
    """Asks the emulator for something: faults, the clock, credentials."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{endpoint}/_emulator/{path}", data, method=method)
    return json.load(urllib.request.urlopen(request))


def temporary(endpoint, connect, taken, refused_as):
    """Tries temporary credentials: `connect(id, secret, token)` makes a client, `taken(client)` asks it for something,
    and `refused_as` has what must be refused of a key without its token, with another, and after its time."""
    issue = lambda: emulator(endpoint, "credentials", {"valid_s": 1000})
    key, other = issue(), issue()
    identity = key["AccessKeyId"], key["AccessKeySecret"]
    taken(connect(*identity, key["SecurityToken"]))
    missing, wrong, expired = refused_as
    missing(lambda: taken(connect(*identity, None)))
    wrong(lambda: taken(connect(*identity, other["SecurityToken"])))
    client = connect(*identity, key["SecurityToken"])
    taken(client)
    emulator(endpoint, "clock", {"advance_ms": 1000 * 1000})
    expired(lambda: taken(client))
    renewed = issue()
    taken(connect(renewed["AccessKeyId"], renewed["AccessKeySecret"], renewed["SecurityToken"]))


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
