@tool
extends RefCounted
## What the daemon's clock says beside ours, from pings and their answers: the shortest exchange says most (RFC 5905).

const PING_EVERY: int = 1_000_000
const EXCHANGES: int = 16

var _exchanges: Array[PackedFloat64Array] = []
var _asked: int = -PING_EVERY


## Whether it is time to ask again; if so, it counts as asked. Times are microseconds.
func asks(now: int) -> bool:
	if now - _asked < PING_EVERY:
		return false
	_asked = now
	return true


## Take in an answer: when it was asked for, what the daemon's clock said, and when the answer came.
func heard(asked: int, server_time: int, now: int) -> void:
	_exchanges.append(PackedFloat64Array([now - asked, server_time - (asked + now) / 2.0]))
	if _exchanges.size() > EXCHANGES:
		_exchanges.pop_front()


## Microseconds that the daemon's clock is ahead of ours; NAN until it is known.
func offset() -> float:
	var best: PackedFloat64Array = [INF, NAN]
	for exchange: PackedFloat64Array in _exchanges:
		if exchange[0] < best[0]:
			best = exchange
	return best[1]
