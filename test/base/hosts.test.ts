/** Names and addresses that several folders read alike. */

import * as fc from "fast-check";
import { expect, it } from "vitest";
import {
  type Address,
  addressText,
  isIpv4,
  isLoopback,
  outerAddress,
  parseAddress,
  userAndHost,
} from "../../src/base/hosts.ts";

it("an IPv4 address is four numbers up to 255 and nothing else", () => {
  fc.assert(fc.property(fc.ipV4(), (address) => isIpv4(address)));
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.4.",
    "1.2.3.4.5",
    "01.2.3.4",
    "256.1.1.1",
    "a.b.c.d",
    "1.2.3.4\n",
    " 1.2.3.4",
  ]) {
    expect([text, isIpv4(text)]).toEqual([text, false]);
  }
});

it("loopback is every address that begins with 127", () => {
  expect(["127.0.0.1", "127.9.9.9", "10.127.0.1", "1.27.0.1"].map(isLoopback)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

it.each([
  ["ana@lab-07", "ana", "lab-07"],
  ["ana@school.example@lab-07", "ana@school.example", "lab-07"],
  ["lab-07", "", "lab-07"],
  ["", "", ""],
])("%s is user and machine", (text, user, host) => {
  expect(userAndHost(text)).toEqual({ user, host });
});

it("an address is read back from its text, and nothing else is one", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 1, max: 65_535 }), (host, port) => {
      expect(parseAddress(addressText({ host, port }))).toEqual({ host, port });
    }),
  );
  for (const text of ["", "10.0.0.8", "10.0.0.8:", "10.0.0.8:0", "10.0.0.8:65536", "lab:7401"])
    expect([text, parseAddress(text)]).toEqual([text, null]);
});

it("a node that was met over loopback is known to others by its own first address", () => {
  const [near, far, other] = ["127.0.0.1", "10.0.0.8", "172.17.0.1"].map((host) => ({
    host,
    port: 7_402,
  })) as [Address, Address, Address];
  expect(outerAddress(near, [far, other, near])).toEqual(far);
  expect(outerAddress(other, [far])).toEqual(other);
  expect(outerAddress(near, [])).toEqual(near);
});
