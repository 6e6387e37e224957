"""Streams and whose turn it is, with a worker that does as it is told."""

import asyncio

import mirage_protocol as protocol
from mirage_runtime.metrics import Metrics
from mirage_runtime.streams import Dispatcher, Stream
from mirage_runtime.worker.handle import Transformed

FRAME = bytes(range(24))


class Obedient:
    """A worker that echoes, but for frames whose ids it was told to choke on."""

    ready = True
    problem = None

    def __init__(self, *chokes_on):
        self.chokes_on = chokes_on
        self.seen = []

    def begin(self, work, done):
        self.seen.append((work.stream, work.id))
        if work.id in self.chokes_on:
            raise ValueError("a fault of ours")
        asyncio.get_running_loop().call_soon(done, Transformed(work.color.data, {}))

    def release(self):
        pass


class Listener:
    """A source that keeps what it is told."""

    role = "source"
    quality = None

    def __init__(self):
        self.results, self.dropped = [], []

    def post(self, message):
        if isinstance(message, protocol.Dropped):
            self.dropped += [(frame_id, message.reason) for frame_id in message.ids]

    def post_result(self, frame_id, data):
        self.results.append(frame_id)

    def reserve(self, size):
        return None

    def evict(self):
        raise AssertionError


def frame(number):
    return protocol.Frame(number, {"color": protocol.Plane.of("rgb8", 4, 2, FRAME)})


def transform(worker, names, numbers):
    """Offer each numbered frame to every stream, let the dispatcher come to rest after each; give the listeners."""

    async def main():
        streams = {}
        dispatcher = Dispatcher(streams, worker)
        listeners = {name: Listener() for name in names}
        for name in names:
            streams[name] = Stream(name, metrics=Metrics(), on_frame=dispatcher.wake)
            streams[name].join(listeners[name])
        for number in numbers:
            for name in names:
                streams[name].offer(frame(number), listeners[name])
            for _ in range(50):
                await asyncio.sleep(0)
        return listeners

    return asyncio.run(main())


def test_a_fault_at_one_frame_costs_that_frame_alone():
    listener = transform(Obedient(2), ["main"], range(5))["main"]
    assert listener.results == [0, 1, 3, 4]
    assert listener.dropped == [(2, "failed")]


def test_streams_take_turns():
    worker = Obedient()
    listeners = transform(worker, ["a", "b", "c"], range(4))
    assert all(listener.results == [0, 1, 2, 3] for listener in listeners.values())
    order = [name for name, _ in worker.seen]
    assert all(set(order[start : start + 3]) == {"a", "b", "c"} for start in range(0, 12, 3))


def test_no_two_sources_share_a_memory():
    """Not even where a stream was left, forgotten, and made again under its name."""
    seen = []
    for _ in range(2):
        stream = Stream("main", metrics=Metrics(), on_frame=lambda: None)
        for _ in range(2):
            listener = Listener()
            stream.join(listener)
            stream.offer(frame(1), listener)
            seen.append(stream.work(stream.take(), stream.controls.resolve(0.0)).source)
            stream.leave(listener)
    assert len(set(seen)) == 4
