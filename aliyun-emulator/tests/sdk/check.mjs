// What the scripts share.

import assert from "node:assert/strict";

/** Fails unless `action` is refused with an error that has these properties; resolves to the error. */
export async function refused(action, expected) {
  let error;
  try {
    await action();
  } catch (caught) {
    error = caught;
  }
  assert(error, `nothing was refused; expected ${JSON.stringify(expected)}`);
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(String(error[name]), String(value), `${name} of ${error.stack}`);
  }
  return error;
}

/** What `action(0)` … `action(count - 1)`, all at once, resolve to; `null` where they are refused. */
export function atOnce(count, action) {
  return Promise.all(Array.from({ length: count }, (_, index) => action(index)));
}
