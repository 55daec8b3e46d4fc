import { execFileSync } from "node:child_process";

/** Runs `ip` of iproute2. @throws Error with what it says. */
function ip(...args: readonly string[]): void {
  try {
    execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  } catch (error) {
    const { stderr, message } = error as { readonly stderr?: string; readonly message: string };
    throw new Error(`ip ${args.join(" ")}: ${stderr?.trim() || message}`, { cause: error });
  }
}

/** Why network namespaces can't be had here; undefined where they can. They need Linux, iproute2 and the rights of root. */
export function whyNoNamespaces(): string | undefined {
  const name = `colloquy-probe-${process.pid}`;
  try {
    ip("netns", "add", name);
    ip("netns", "del", name);
    return undefined;
  } catch (error) {
    return `needs root and iproute2 (${(error as Error).message})`;
  }
}

/** A network of its own on this machine. */
export class Namespace implements Disposable {
  readonly name: string;

  constructor(part: string) {
    this.name = `colloquy-${part}-${process.pid}`;
    ip("netns", "add", this.name);
    this.ip("link", "set", "lo", "up");
  }

  /** The command that runs this Node inside. */
  get command(): readonly string[] {
    return ["ip", "netns", "exec", this.name, process.execPath];
  }

  ip(...args: readonly string[]): void {
    ip("-n", this.name, ...args);
  }

  /** Each socket opened from now on has memory for so many bytes in either direction, as far as the system goes down. */
  limitSockets(bytes: number): void {
    const three = `${bytes} ${bytes} ${bytes}`;
    const write = `echo ${three} > /proc/sys/net/ipv4/tcp_wmem && echo ${three} > /proc/sys/net/ipv4/tcp_rmem`;
    ip("netns", "exec", this.name, "sh", "-c", write);
  }

  [Symbol.dispose](): void {
    ip("netns", "del", this.name);
  }
}

const [leftIp, rightIp] = ["10.213.77.1", "10.213.77.2"];
const nobody = "02:00:00:00:00:01";

/** Two namespaces with a cable between them. */
export class Cable implements Disposable {
  readonly left: Namespace;
  readonly right: Namespace;
  /** Address of the right end. */
  readonly host: string = rightIp;

  constructor() {
    [this.left, this.right] = [new Namespace("left"), new Namespace("right")];
    ip(
      "link",
      "add",
      "left",
      "netns",
      this.left.name,
      "type",
      "veth",
      "peer",
      "name",
      "right",
      "netns",
      this.right.name,
    );
    for (const [end, name, address] of [
      [this.left, "left", leftIp],
      [this.right, "right", rightIp],
    ] as const) {
      end.ip("addr", "add", `${address}/24`, "dev", name);
      end.ip("link", "set", name, "up");
    }
  }

  /** From now on packets go to a hardware address that nobody has: they vanish, and neither side is told. */
  drop(): void {
    this.left.ip("neigh", "replace", rightIp, "lladdr", nobody, "dev", "left", "nud", "permanent");
    this.right.ip("neigh", "replace", leftIp, "lladdr", nobody, "dev", "right", "nud", "permanent");
  }

  [Symbol.dispose](): void {
    this.left[Symbol.dispose]();
    this.right[Symbol.dispose]();
  }
}
