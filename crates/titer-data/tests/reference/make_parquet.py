"""Chats as pyarrow writes them, for tests/formats.rs: python make_parquet.py"""

import os

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
CHATS = [
    [("user", "Hé\n\"?\""), ("assistant", "a")],
    [("system", "s"), ("user", "u"), ("assistant", "b")],
]
SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def table(column, who, said, names):
    turn = pa.struct([(who, pa.string()), (said, pa.string()), ("tool_calls", pa.string())])
    chats = [[{who: names.get(role, role), said: text, "tool_calls": None} for role, text in chat] for chat in CHATS]
    return pa.table(
        {
            "id": ["x", "y"],
            column: pa.array(chats, type=pa.list_(turn)),
            "source": pa.array([None, "sneaky"]),
            "n": pa.array([3, 4], type=pa.int32()),
        }
    )


pq.write_table(table("messages", "role", "content", {}), f"{HERE}/messages.parquet", compression="snappy")
pq.write_table(table("conversations", "from", "value", SPEAKERS), f"{HERE}/conversations.parquet", compression="none")

# What JSON has no word for: bytes, numbers that are not finite, two columns of one name.
CELLS = {
    "bytes": pa.table({"prompt": pa.array([b"H\xc3\xa9", b"H\xe9"]), "response": ["a", "a"]}),
    "infinite": pa.table({"id": ["x", "y", "z"], "score": [0.5, float("nan"), float("-inf")]}),
    "twice": pa.Table.from_arrays([pa.array(["u"]), pa.array(["v"])], names=["prompt", "prompt"]),
}
for name, cells in CELLS.items():
    pq.write_table(cells, f"{HERE}/{name}.parquet", compression="none", store_schema=False)
