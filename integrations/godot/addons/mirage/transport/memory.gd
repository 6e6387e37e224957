@tool
extends RefCounted
## Opens memory that a server shares (SPEC.md section 10.1), with what there is to open it with.

const MemoryFile := preload("memory_file.gd")

## The class that [code]native/[/code] adds, where it was built.
const NATIVE: StringName = &"MirageMappedMemory"


## Whether memory is mapped by native code, and not read and written as a file.
static func is_native() -> bool:
	return ClassDB.class_exists(NATIVE)


## Return an object with the methods of [code]memory_file.gd[/code], with nothing open.
static func made() -> RefCounted:
	return ClassDB.instantiate(NATIVE) if is_native() else MemoryFile.new()


## Open [param size] bytes at [param path]. Returns what [method made] does, or a [MirageError]
## ([code]unsupported[/code]) that says why it cannot be opened.
static func open(path: String, size: int) -> Variant:
	if not is_plausible(path):
		return _refused("it names a path that shared memory is never at")
	var memory: RefCounted = made()
	var problem: String = memory.open(path, size)
	return memory if problem == "" else _refused(problem)


## Whether a server of this protocol would name [param path]: an open file of a process on Linux, elsewhere a file of
## its own in the user's temporary folder.
static func is_plausible(path: String) -> bool:
	if OS.get_name() == "Linux":
		return RegEx.create_from_string("^/proc/[0-9]+/fd/[0-9]+$").search(path) != null
	var plain: String = path.replace("\\", "/")
	var folder: String = OS.get_temp_dir().replace("\\", "/").trim_suffix("/")
	return plain.get_base_dir() == folder and plain.get_file().begins_with("mirage-")


static func _refused(reason: String) -> MirageError:
	return MirageError.new(&"unsupported", "the daemon's shared memory cannot be opened from here: %s" % reason)
