"""mosaik's part, driven by JSON lines: see README.md."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from mosaik_world import Failed, World


async def carry_out(world: World, command: dict) -> Any:
    op, sid = command["op"], command.get("sim", "")
    if op == "settings":
        world.failures = command.get("failures", world.failures)
        world.real_time = command.get("real_time", world.real_time)
        return None
    if op == "start":
        if "connect" in command:
            await world.start_connect(sid, command["connect"])
        else:
            await world.start_cmd(sid, command["cmd"], command.get("cwd", "."), command.get("timeout", 10))
        if command.get("init") is False:
            return None
        return await world.init(sid, command.get("time_resolution", 1.0), command.get("params", {}))
    if op == "create":
        return await world.create(sid, command["count"], command["model"], command.get("params", {}))
    if op == "connect":
        attrs = command["attrs"]
        return world.connect(command["from"], command["to"], attrs, command.get("shifted", False), command.get("initial", {}))
    if op == "run":
        return await world.run(command["until"])
    if op == "send":
        return await world.sims[sid].send(command["function"], *command.get("args", ()), **command.get("kwargs", {}))
    if op == "asked":
        return world.sims[sid].asked
    if op == "stop":
        return await world.sims[sid].stop(command.get("patience", 0.1))
    if op == "drop":
        return world.sims[sid].drop()
    if op == "closed":
        return await world.sims[sid].closed
    if op == "exit":
        process = world.sims[sid].process
        assert process is not None
        stdout, stderr = await process.communicate()
        return {"code": process.returncode, "stdout": stdout.decode(), "stderr": stderr.decode()}
    raise ValueError("no op %s" % op)


async def answer(world: World, command: dict) -> None:
    try:
        outcome = {"result": await carry_out(world, command)}
    except Failed as failure:
        outcome = {"failure": failure.content}
    except Exception as error:
        outcome = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps({"id": command["id"], **outcome}), flush=True)


async def main() -> None:
    world = World()
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        line = await reader.readline()
        if not line:
            break
        asyncio.ensure_future(answer(world, json.loads(line)))
    for sim in world.sims.values():
        if sim.process is not None and sim.process.returncode is None:
            sim.process.kill()
            await sim.process.wait()


asyncio.run(main())
