import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a socket's address holds on all systems, in bytes. */
const MAX_PATH_BYTES = 103;

/** A private folder for the Unix socket of one child. Its path stays; the folder is there while the child is. */
export class SocketFolder {
  readonly path: string;
  /** Of the socket in it. */
  readonly address: string;
  #forgetExit: (() => void) | undefined;

  constructor() {
    // The name can't be guessed, and `create` refuses what is there already.
    const name = `clq-${randomBytes(6).toString("base64url")}`;
    const inTemporary = join(tmpdir(), name);
    const isShort = Buffer.byteLength(join(inTemporary, "s")) <= MAX_PATH_BYTES && !/[[\]]/.test(inTemporary);
    this.path = isShort ? inTemporary : join("/tmp", name);
    this.address = `ipc://[${join(this.path, "s")}]`;
  }

  /** Makes it, for this user alone. `untilExit`: it goes with this process, too, where that ends by itself. */
  create(untilExit: boolean): void {
    mkdirSync(this.path, { mode: 0o700 });
    if (untilExit) this.#forgetExit = removeAtExit(this.path);
  }

  remove(): void {
    this.#forgetExit?.();
    removeFolder(this.path);
  }
}

/** Never throws: whoever removes a folder is at the end of something. */
export function removeFolder(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The system clears its temporary folder.
  }
}

const FOLDERS = Symbol("folders");

interface ExitListener {
  (): void;
  readonly [FOLDERS]: Set<string>;
}

/** One listener for all folders: Node takes more than ten for a leak. It is there while there are folders. */
function removeAtExit(path: string): () => void {
  const isOurs = (listener: object): listener is ExitListener => FOLDERS in listener;
  const listener = (process.listeners("exit") as object[]).find(isOurs) ?? newExitListener();
  const folders = listener[FOLDERS];
  folders.add(path);
  return () => {
    folders.delete(path);
    if (folders.size === 0) process.off("exit", listener);
  };
}

function newExitListener(): ExitListener {
  const folders = new Set<string>();
  const listener = Object.assign(() => folders.forEach(removeFolder), { [FOLDERS]: folders });
  process.on("exit", listener);
  return listener;
}
