@tool
extends RefCounted
## Counts results, drops and what the addon's own work costs, over the last ten seconds.

const WINDOW: int = 10_000_000

## When results came (microseconds), and how long they had taken (milliseconds).
var _results: Array[PackedFloat64Array] = []
var _drops: PackedInt64Array = []
## Milliseconds of script in each of the last frames of the game, and of waiting for the graphics card.
var _costs: PackedFloat64Array = []
var _waits: PackedFloat64Array = []
var _spent: int = 0
var _waited: int = 0


## Count a result that has taken [param latency] milliseconds.
func came(now: int, latency: float) -> void:
	_results.append(PackedFloat64Array([now, latency]))
	while now - _results[0][0] > WINDOW:
		_results.pop_front()


## Count frames that have no result.
func dropped(now: int, count: int = 1) -> void:
	for _each: int in count:
		_drops.append(now)
	while not _drops.is_empty() and now - _drops[0] > WINDOW:
		_drops.remove_at(0)


## Add work of this frame that began at [param began], in microseconds of [method Time.get_ticks_usec].
func spent_since(began: int) -> void:
	_spent += Time.get_ticks_usec() - began


## Add microseconds of this frame in which the graphics card was waited for: they are no work of ours.
func waited(microseconds: int) -> void:
	_waited += microseconds
	_spent -= microseconds


## A frame of the game is over: what was spent in it is one sample.
func frame_over() -> void:
	_costs.append(_spent / 1000.0)
	_waits.append(_waited / 1000.0)
	_spent = 0
	_waited = 0
	if _costs.size() > 600:
		_costs = _costs.slice(300)
		_waits = _waits.slice(300)


## Forget everything.
func clear() -> void:
	_results.clear()
	_drops.clear()


## The figures of the window that ends now; what cannot be known is NAN.
func figures(now: int) -> Dictionary:
	var latencies: PackedFloat64Array = []
	var jitter: float = 0.0
	for result: PackedFloat64Array in _results:
		if now - result[0] <= WINDOW:
			if not latencies.is_empty():
				jitter += absf(result[1] - latencies[-1])
			latencies.append(result[1])
	var count: int = latencies.size()
	var seconds: float = (_results[-1][0] - _results[-count][0]) / 1e6 if count > 1 else 0.0
	latencies.sort()
	return {
		"p50": _percentile(latencies, 0.5),
		"p95": _percentile(latencies, 0.95),
		"p99": _percentile(latencies, 0.99),
		"jitter": jitter / (count - 1) if count > 1 else NAN,
		"rate": (count - 1) / seconds if seconds > 0.0 else 0.0,
		"results": count,
		"drops": _drops.size(),
		"cost_p50": _percentile(_sorted(_costs), 0.5),
		"cost_p95": _percentile(_sorted(_costs), 0.95),
		"readback_p50": _percentile(_sorted(_waits), 0.5),
		"readback_p95": _percentile(_sorted(_waits), 0.95),
	}


static func _sorted(values: PackedFloat64Array) -> PackedFloat64Array:
	var copy: PackedFloat64Array = values.duplicate()
	copy.sort()
	return copy


static func _percentile(sorted: PackedFloat64Array, part: float) -> float:
	return NAN if sorted.is_empty() else sorted[clampi(ceili(part * sorted.size()) - 1, 0, sorted.size() - 1)]
