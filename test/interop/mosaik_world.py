"""The part of mosaik in a co-simulation: starts simulators, connects entities, steps.

It speaks the low-level API, version 3, over asyncio streams: a length of four
bytes, then JSON, ``[type, id, content]``.  Written from the description of that
API, for tests; it shares nothing with the other peers of this folder.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import struct
import traceback
from typing import Any, Dict, List, Optional, Tuple

REQUEST, SUCCESS, FAILURE = 0, 1, 2


class Failed(Exception):
    """What a simulator has answered instead of a result: ``content`` as it came."""

    def __init__(self, content: Any) -> None:
        super().__init__(content)
        self.content = content


class Simulator:
    """One simulator, at the other end of a connection."""

    def __init__(self, world: "World", sid: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.world, self.sid = world, sid
        self.reader, self.writer = reader, writer
        self.meta: Dict[str, Any] = {}
        self.process: Optional[asyncio.subprocess.Process] = None
        self.models: Dict[str, str] = {}
        self.next_steps: List[int] = []
        self.last_step = -1
        self.set_inputs: Dict[str, Any] = {}
        self.events: List[Tuple[int, str, str, str, Any]] = []
        self.values: Dict[Tuple[str, str], Any] = {}
        self.pending: Dict[int, asyncio.Future] = {}
        self.number = 0
        self.asked: List[list] = []
        self.closed = asyncio.get_running_loop().create_future()
        self.reading = asyncio.ensure_future(self._read())

    async def send(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the simulator and wait for its answer."""
        number, self.number = self.number, self.number + 1
        answer = asyncio.get_running_loop().create_future()
        self.pending[number] = answer
        self.write([REQUEST, number, [function, list(args), kwargs]])
        return await answer

    def write(self, message: Any) -> None:
        payload = json.dumps(message).encode("utf-8")
        self.writer.write(struct.pack(">I", len(payload)) + payload)

    async def _read(self) -> None:
        try:
            while True:
                (length,) = struct.unpack(">I", await self.reader.readexactly(4))
                kind, number, content = json.loads((await self.reader.readexactly(length)).decode("utf-8"))
                if kind == REQUEST:
                    asyncio.ensure_future(self._answer(number, content))
                elif kind == SUCCESS:
                    self.pending.pop(number).set_result(content)
                else:
                    self.pending.pop(number).set_exception(Failed(content))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for answer in self.pending.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError("the simulator has closed the connection"))
            self.writer.close()
            self.closed.set_result(None)

    async def _answer(self, number: int, content: Any) -> None:
        function, args, kwargs = content
        self.asked.append([function, args])
        try:
            if function not in ("get_progress", "get_related_entities", "get_data", "set_data", "set_event"):
                raise AttributeError("mosaik has no %s" % function)
            result = await getattr(self.world, function)(self, *args, **kwargs)
            self.write([SUCCESS, number, result])
        except Exception as error:
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            as_list = [type(error).__name__, str(error), *lines]
            self.write([FAILURE, number, as_list if self.world.failures == "list" else "".join(lines)])

    # -- meta --------------------------------------------------------------

    def description(self, eid: str) -> Dict[str, Any]:
        return self.meta["models"][self.models[eid]]

    def is_triggered_by(self, eid: str, attr: str) -> bool:
        model = self.description(eid)
        if self.meta["type"] == "time-based":
            return False
        if self.meta["type"] == "event-based":
            return True
        return attr in model.get("trigger", ()) or ("non-trigger" in model and attr not in model["non-trigger"])

    def is_persistent(self, eid: str, attr: str) -> bool:
        model = self.description(eid)
        if self.meta["type"] == "time-based":
            return True
        if self.meta["type"] == "event-based":
            return False
        if "non-persistent" in model:
            return attr not in model["non-persistent"]
        return "persistent" not in model or attr in model["persistent"]

    # -- life --------------------------------------------------------------

    async def stop(self, patience: float = 0.1) -> None:
        """Say stop, wait for an answer for a moment, and hang up."""
        try:
            await asyncio.wait_for(self.send("stop"), patience)
        except (asyncio.TimeoutError, ConnectionError):
            pass
        self.drop()

    def drop(self) -> None:
        """Hang up."""
        self.writer.close()


class World:
    """A scenario and its run."""

    def __init__(self) -> None:
        self.sims: Dict[str, Simulator] = {}
        self.failures = "list"
        self.real_time = False
        self.until = 1
        self.now = 0
        # (source sid, eid, attr), (destination sid, eid, attr), time-shifted
        self.flows: List[Tuple[Tuple[str, str, str], Tuple[str, str, str], bool]] = []
        self.edges: List[Tuple[str, str]] = []
        self.trace: List[dict] = []

    # -- the scenario ------------------------------------------------------

    async def start_connect(self, sid: str, address: str) -> Simulator:
        """Connect to a simulator that listens at ``host:port``."""
        host, port = address.split(":")
        sim = Simulator(self, sid, *await asyncio.open_connection(host, int(port)))
        self.sims[sid] = sim
        return sim

    async def start_cmd(self, sid: str, command: str, cwd: str, timeout: float) -> Simulator:
        """Start a program that connects to the address in its command line."""
        arrived = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(
            lambda reader, writer: arrived.set_result((reader, writer)), "127.0.0.1", 0
        )
        address = "%s:%s" % server.sockets[0].getsockname()[:2]
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(command % {"addr": address}), cwd=cwd, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )
            sim = Simulator(self, sid, *await asyncio.wait_for(arrived, timeout))
        finally:
            server.close()
        sim.process = process
        self.sims[sid] = sim
        return sim

    async def init(self, sid: str, time_resolution: float, params: Dict[str, Any]) -> Any:
        sim = self.sims[sid]
        sim.meta = await sim.send("init", sid, time_resolution=time_resolution, **params)
        if int(sim.meta["api_version"].split(".")[0]) != 3:
            raise ValueError("not version 3: %s" % sim.meta["api_version"])
        return sim.meta

    async def create(self, sid: str, count: int, model: str, params: Dict[str, Any]) -> Any:
        sim = self.sims[sid]
        entities = await sim.send("create", count, model, **params)
        assert len(entities) == count and all(entity["type"] == model for entity in entities)
        self._add(sim, entities)
        return entities

    def _add(self, sim: Simulator, entities: List[dict]) -> None:
        for entity in entities:
            assert entity["eid"] not in sim.models
            sim.models[entity["eid"]] = entity["type"]
            self.edges += [("%s.%s" % (sim.sid, entity["eid"]), "%s.%s" % (sim.sid, rel)) for rel in entity.get("rel", ())]
            self._add(sim, entity.get("children") or [])

    def connect(self, source: str, destination: str, attrs: List[List[str]], shifted: bool, initial: Dict[str, Any]) -> None:
        """Let attributes of one entity be inputs of another one; shifted ones arrive a step later."""
        src, src_eid = source.split(".", 1)
        dest, dest_eid = destination.split(".", 1)
        self.edges.append((source, destination))
        for src_attr, dest_attr in attrs:
            assert src_attr in self.sims[src].description(src_eid)["attrs"]
            assert dest_attr in self.sims[dest].description(dest_eid)["attrs"]
            self.flows.append(((src, src_eid, src_attr), (dest, dest_eid, dest_attr), shifted))
            if shifted and src_attr in initial:
                self.sims[src].values[src_eid, src_attr] = initial[src_attr]

    # -- the run -----------------------------------------------------------

    async def run(self, until: int) -> List[dict]:
        """Step all simulators from 0 to ``until``, and return what was stepped."""
        self.until = until
        for sim in self.sims.values():
            await sim.send("setup_done")
            if sim.meta["type"] != "event-based":
                sim.next_steps = [0]
        while True:
            due = [sim for sim in self.sims.values() if sim.next_steps and min(sim.next_steps) < until]
            if not due:
                return self.trace
            # In one moment in the order in which they were started, which is that of the data.
            self.now = min(min(sim.next_steps) for sim in due)
            sim = next(sim for sim in due if min(sim.next_steps) == self.now)
            await self._step(sim)

    async def _step(self, sim: Simulator) -> None:
        now = self.now
        sim.next_steps = sorted(time for time in set(sim.next_steps) if time > now)
        inputs = self._inputs(sim, now)
        max_advance = self._max_advance(sim)
        following = await sim.send("step", now, inputs, max_advance)
        sim.last_step = now
        if following is None:
            assert sim.meta["type"] != "time-based"
        else:
            assert type(following) is int and following > now
            sim.next_steps.append(following)
        data = await self._outputs(sim)
        self.trace.append(
            {"sim": sim.sid, "time": now, "inputs": inputs, "max_advance": max_advance, "next": following, "data": data}
        )

    def _inputs(self, sim: Simulator, now: int) -> Dict[str, Any]:
        inputs: Dict[str, Any] = {}

        def put(eid: str, attr: str, source: str, value: Any) -> None:
            inputs.setdefault(eid, {}).setdefault(attr, {})[source] = value

        for (src, src_eid, src_attr), (dest, eid, attr), _ in self.flows:
            if dest == sim.sid and self.sims[src].is_persistent(src_eid, src_attr):
                value = self.sims[src].values.get((src_eid, src_attr))
                if value is not None:
                    put(eid, attr, "%s.%s" % (src, src_eid), value)
        for time, source, eid, attr, value in sim.events:
            if time <= now:
                put(eid, attr, source, value)
        sim.events = [event for event in sim.events if event[0] > now]
        for eid, attrs in sim.set_inputs.items():
            for attr, values in attrs.items():
                for source, value in values.items():
                    put(eid, attr, source, value)
        sim.set_inputs = {}
        return inputs

    def _max_advance(self, sim: Simulator) -> int:
        before = {src for (src, _, _), (dest, eid, attr), _ in self.flows if dest == sim.sid and sim.is_triggered_by(eid, attr)}
        coming = [min(self.sims[src].next_steps) for src in before if self.sims[src].next_steps]
        return min([*coming, *sim.next_steps, self.until + 1]) - 1

    async def _outputs(self, sim: Simulator) -> Any:
        wanted: Dict[str, List[str]] = {}
        for (src, eid, attr), _, _ in self.flows:
            if src == sim.sid and attr not in wanted.setdefault(eid, []):
                wanted[eid].append(attr)
        if not wanted:
            return None
        data = await sim.send("get_data", wanted)
        time = data.get("time", self.now)
        assert type(time) is int and time >= self.now
        for (src, eid, attr), (dest, dest_eid, dest_attr), shifted in self.flows:
            if src != sim.sid or attr not in data.get(eid, {}):
                continue
            value = data[eid][attr]
            target = self.sims[dest]
            if sim.is_persistent(eid, attr):
                sim.values[eid, attr] = value
            else:
                arrival = time + (1 if shifted else 0)
                target.events.append((arrival, "%s.%s" % (src, eid), dest_eid, dest_attr, value))
            if target.is_triggered_by(dest_eid, dest_attr):
                target.next_steps.append(time + (1 if shifted else 0))
        return data

    # -- what simulators ask -----------------------------------------------

    async def get_progress(self, sim: Simulator) -> float:
        return 100 * self.now / self.until

    async def get_related_entities(self, sim: Simulator, entities: Any = None) -> Any:
        types = {"%s.%s" % (one.sid, eid): {"type": model} for one in self.sims.values() for eid, model in one.models.items()}
        if entities is None:
            return {"nodes": types, "edges": [[a, b, {}] for a, b in self.edges]}

        def related(name: str) -> Dict[str, Any]:
            others = [b for a, b in self.edges if a == name] + [a for a, b in self.edges if b == name]
            return {other: types[other] for other in others}

        if isinstance(entities, str):
            return related(entities)
        return {name: related(name) for name in entities}

    async def get_data(self, sim: Simulator, attrs: Dict[str, List[str]]) -> Any:
        data: Dict[str, Any] = {}
        for name, wanted in attrs.items():
            sid, eid = name.split(".", 1)
            found = await self.sims[sid].send("get_data", {eid: wanted})
            data[name] = found[eid]
        return data

    async def set_data(self, sim: Simulator, data: Dict[str, Any]) -> None:
        for source, destinations in data.items():
            for name, attrs in destinations.items():
                sid, eid = name.split(".", 1)
                if not any(src == sid and dest == sim.sid for (src, _, _), (dest, _, _), _ in self.flows):
                    raise ValueError("no connection from %s to %s" % (sid, sim.sid))
                inputs = self.sims[sid].set_inputs.setdefault(eid, {})
                for attr, value in attrs.items():
                    inputs.setdefault(attr, {})[source] = value

    async def set_event(self, sim: Simulator, time: int) -> None:
        if not self.real_time:
            raise RuntimeError("%s wants an event, and this is no real-time run" % sim.sid)
        sim.next_steps.append(time)
