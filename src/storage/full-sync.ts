/** macOS: fdatasync stops at the drive's cache there; only fcntl(F_FULLFSYNC) reaches the
 *  platter. */

import { dlopen } from "bun:ffi";

const F_FULLFSYNC = 51;

/** The call, true on success; null when the library cannot be loaded. */
export function loadFullSync(): ((fd: number) => boolean) | null {
  try {
    const library = dlopen("libSystem.B.dylib", {
      fcntl: { args: ["i32", "i32"], returns: "i32" },
    });
    return (fd) => library.symbols.fcntl(fd, F_FULLFSYNC) !== -1;
  } catch {
    return null;
  }
}
