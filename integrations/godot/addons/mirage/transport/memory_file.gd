@tool
extends RefCounted
## Memory that is shared with another process, through a file: what Godot can do without native code.
##
## What is read comes from the kernel and not from the file's own buffer, and what is written is there at once. The
## class [code]MirageMappedMemory[/code] of [code]native/[/code] has the same methods and is two to four times faster.

var _file: FileAccess
var _size: int = 0
var _order: Mutex = Mutex.new()


## Open the file at [param path], which exists, for its first [param size] bytes. Returns what is wrong, or nothing.
func open(path: String, size: int) -> String:
	close()
	# FileAccess would add to a file that is too short.
	var file: FileAccess = FileAccess.open(path, FileAccess.READ_WRITE)
	if file == null:
		return error_string(FileAccess.get_open_error())
	if file.get_length() < size:
		return "it has %d bytes, not %d" % [file.get_length(), size]
	_file = file
	_size = size
	return ""


## Let go of the file.
func close() -> void:
	_file = null
	_size = 0


## How many bytes there are; 0 where nothing is open.
func get_size() -> int:
	return _size


## Return a copy of [param count] bytes from [param offset] on; none where they do not all lie within.
func read(offset: int, count: int) -> PackedByteArray:
	if not _holds(offset, count):
		return PackedByteArray()
	_seek_anew(offset)
	return _file.get_buffer(count)


## Copy [param bytes] to [param offset]; returns whether they fit.
func write(offset: int, bytes: PackedByteArray) -> bool:
	if not _holds(offset, bytes.size()):
		return false
	_file.seek(offset)
	_file.store_buffer(bytes)
	_file.flush()
	return true


## Return the 64 bits at [param offset]; nothing that is read later is older. 0 outside.
func load_u64(offset: int) -> int:
	if not _holds(offset, 8):
		return 0
	_seek_anew(offset)
	var value: int = _file.get_64()
	fence()
	return value


## Set the 64 bits at [param offset], after all that was written before is there.
func store_u64(offset: int, value: int) -> void:
	if not _holds(offset, 8):
		return
	fence()
	_file.seek(offset)
	_file.store_64(value)
	_file.flush()


## Keep what was read and written before apart from what is read and written after: a lock that is released and taken
## again orders them on every machine.
func fence() -> void:
	_order.lock()
	_order.unlock()
	_order.lock()
	_order.unlock()


## Return the sum, modulo 2^64, of the 64-bit numbers that [param bytes] are, of which there is a multiple of 8.
func sum(bytes: PackedByteArray) -> int:
	var total: int = 0
	for at: int in range(0, bytes.size(), 8):
		total += bytes.decode_s64(at)
	return total


func _holds(offset: int, count: int) -> bool:
	return offset >= 0 and count >= 0 and offset <= _size - count


# A file's buffer is read anew only when the place sought lies outside of it, as its end does.
func _seek_anew(offset: int) -> void:
	_file.seek_end()
	_file.seek(offset)
