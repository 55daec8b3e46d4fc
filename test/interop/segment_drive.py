"""drive.py with segments: ``{"$striped": {"name", "length", "seed"}}`` in the JSON lines is a typed array whose bytes tell their
place; one that came is written as ``{"$array": {"name", "length", "sha256"}}``.

More commands: ``{"op": "hold", "pieces": n}`` sends so many pieces and no more (null: all), ``{"op": "withdraw"}`` takes back what
has not been sent in full, ``{"op": "segments"}`` tells what is on its way.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import drive
from segments import SegmentConnection, TypedArray, striped
from values import Values


class SegmentValues(Values):
    """Values in JSON lines, with typed arrays."""

    def _read_striped(self, content: dict) -> TypedArray:
        return TypedArray(content["name"], striped(content["length"], content["seed"]))

    def _write_object(self, value: Any) -> dict:
        if isinstance(value, TypedArray):
            return {"$array": value.digest()}
        return super()._write_object(value)


class SegmentDriver(drive.Driver):
    """A driver whose connections take segments."""

    @property
    def opener(self) -> Any:
        return partial(SegmentConnection, fields=self.options.hello_fields)

    async def op_hold(self, command: dict) -> None:
        """Hold pieces back."""
        self.connection(command).hold(command["pieces"])

    async def op_withdraw(self, command: dict) -> int:
        """Take back what has not been sent in full."""
        return self.connection(command).withdraw()

    async def op_segments(self, command: dict) -> dict:
        """Return what is on its way, both ways."""
        connection = self.connection(command)
        return {
            "incoming": len(connection.incoming),
            "counted": connection.incoming_counted,
            "unreleased": len(connection.unreleased),
            "underWay": connection.under_way,
            "pieces": connection.pieces,
            "withdrawals": connection.withdrawals,
        }


if __name__ == "__main__":
    drive.Values = SegmentValues
    asyncio.run(SegmentDriver(drive.parse_options()).main())
