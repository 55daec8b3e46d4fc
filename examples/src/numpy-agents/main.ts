/**
 * Arrays of NumPy over a container, as aiomas documents it: `ndarraySerializer` among the extra serializers, MsgPack as the codec. The
 * other side is Python with numpy and msgpack; without them the example says so and ends.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Agent, Container } from "@colloquy/container";
import { MsgPackCodec, NdArray, ndarraySerializer } from "@colloquy/core";
import { expose } from "@colloquy/rpc";
import { findPython } from "./python.ts";

/** A battery that answers how much power it can give at each step. */
class Battery extends Agent {
  @expose limit(wanted: NdArray, most: number): NdArray {
    const limited = (wanted.toTypedArray() as Float64Array).map((power) => Math.min(power, most));
    return new NdArray(limited, { shape: wanted.shape });
  }
}

const python = findPython(["numpy", "msgpack"]);
if (python === undefined) console.log("no Python with numpy and msgpack; COLLOQUY_PYTHON names one");
else {
  await using container = await Container.create("tcp://127.0.0.1:0", {
    codec: MsgPackCodec,
    extraSerializers: [ndarraySerializer],
  });
  const battery = await container.spawn(new Battery());
  const peer = fileURLToPath(new URL("../../src/numpy-agents/peer.py", import.meta.url));
  const child = spawn(python, [peer, battery.address], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  process.exitCode = code ?? 1;
}
