extends RefCounted
## Takes what the render thread has, for the main thread to fetch.

var _items: Array[Variant] = []
var _mutex: Mutex = Mutex.new()


## Put [param item] in. May be called on any thread.
func put(item: Variant) -> void:
	_mutex.lock()
	_items.append(item)
	_mutex.unlock()


## Take everything out, the oldest first.
func take() -> Array[Variant]:
	_mutex.lock()
	var taken: Array[Variant] = _items
	_items = []
	_mutex.unlock()
	return taken
