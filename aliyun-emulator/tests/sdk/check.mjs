// What the scripts share.

import assert from "node:assert/strict";

/** Asks the emulator for something: faults, the clock, credentials. */
export async function emulator(endpoint, path, body) {
  const method = body === undefined ? "GET" : "POST";
  const answer = await fetch(`${endpoint}/_emulator/${path}`, { method, body: body && JSON.stringify(body) });
  const said = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(said));
  return said;
}

/**
 * Tries temporary credentials: `connect(id, secret, token)` makes a client, `taken(client)` asks it for something, and
 * the rest has what errors must be of a key without its token, with another, and after its time.
 */
export async function temporary(endpoint, connect, taken, { missing, wrong, expired }) {
  const issue = () => emulator(endpoint, "credentials", { valid_s: 1000 });
  const [key, other] = [await issue(), await issue()];
  const identity = [key.AccessKeyId, key.AccessKeySecret];
  const client = connect(...identity, key.SecurityToken);
  await taken(client);
  await refused(() => taken(connect(...identity)), missing);
  await refused(() => taken(connect(...identity, other.SecurityToken)), wrong);
  await taken(client);
  await emulator(endpoint, "clock", { advance_ms: 1000 * 1000 });
  await refused(() => taken(client), expired);
  const renewed = await issue();
  await taken(connect(renewed.AccessKeyId, renewed.AccessKeySecret, renewed.SecurityToken));
}

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
    if (value instanceof RegExp) assert.match(String(error[name]), value, `${name} of ${error.stack}`);
    else assert.equal(String(error[name]), String(value), `${name} of ${error.stack}`);
  }
  return error;
}

/** What `action(0)` … `action(count - 1)`, all at once, resolve to; `null` where they are refused. */
export function atOnce(count, action) {
  return Promise.all(Array.from({ length: count }, (_, index) => action(index)));
}
