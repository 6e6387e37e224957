extends SceneTree
## Base of the test scripts: runs every method that begins with [code]test_[/code], one after the other, and ends with
## the exit code 1 if one failed.
##
## A test fails by [method check] and [method equal], and by any error of a script or of the engine while it runs. Start
## one with [code]godot --headless --path PROJECT --script res://tests/test_NAME.gd -- --key=value[/code].

## Seconds that [method wait_until] waits if it is not told how long: a guard against hangs, and no measure.
const PATIENCE: float = 60.0

## What was given on the command line after [code]--[/code]: [code]--key=value[/code] as text, [code]--key[/code] as
## [code]"true"[/code].
var arguments: Dictionary[String, String] = {}

var _errors: ErrorCounter = ErrorCounter.new()
var _problems: PackedStringArray = []


## Counts errors of scripts and of the engine, which by themselves fail no process.
class ErrorCounter:
	extends Logger

	var _texts: PackedStringArray = []
	var _mutex: Mutex = Mutex.new()

	## What was reported since the last call, one line each.
	func take() -> PackedStringArray:
		_mutex.lock()
		var taken: PackedStringArray = _texts.duplicate()
		_texts.clear()
		_mutex.unlock()
		return taken

	func _log_error(
		function: String,
		file: String,
		line: int,
		code: String,
		rationale: String,
		_editor_notify: bool,
		error_type: int,
		_backtraces: Array[ScriptBacktrace]
	) -> void:
		if error_type == ERROR_TYPE_WARNING:
			return
		_mutex.lock()
		_texts.append("%s (%s:%d, %s)" % [rationale if rationale else code, file, line, function])
		_mutex.unlock()

	func _log_message(_message: String, _error: bool) -> void:
		pass


func _initialize() -> void:
	OS.add_logger(_errors)
	for argument: String in OS.get_cmdline_user_args():
		var parts: PackedStringArray = argument.trim_prefix("--").split("=", true, 1)
		arguments[parts[0]] = parts[1] if parts.size() > 1 else "true"
	_run_all()


## Called before the first test; a subclass may await in it.
func prepare() -> void:
	pass


## Called after the last test; a subclass may await in it.
func finish() -> void:
	pass


## Note that the test fails unless [param condition] is true.
func check(condition: bool, what: String) -> void:
	if not condition:
		_problems.append(what)


## Note that the test fails unless both are of one type and equal, arrays and dictionaries by what they contain.
func equal(actual: Variant, expected: Variant, what: String) -> void:
	var same: bool = typeof(actual) == typeof(expected) and actual == expected
	check(same, "%s is %s, not %s" % [what, _shown(actual), _shown(expected)])


## Wait until [param condition] returns true, looking once a frame; returns false after [param seconds].
func wait_until(condition: Callable, seconds: float = PATIENCE) -> bool:
	var deadline: int = Time.get_ticks_msec() + int(seconds * 1000.0)
	while not condition.call():
		if Time.get_ticks_msec() > deadline:
			return false
		await process_frame
	return true


## Return the errors of scripts and of the engine since the last call, for a test that means to cause them.
func take_errors() -> PackedStringArray:
	return _errors.take()


func _run_all() -> void:
	await process_frame  # so that what `prepare` adds to the tree is in it
	await prepare()
	_note_errors()
	var failed: int = 0 if _problems.is_empty() else 1
	if failed:
		print("FAIL prepare: %s" % "; ".join(_problems))
	var passed: int = 0
	for name: String in _tests():
		if await _run(name):
			passed += 1
		else:
			failed += 1
	_problems.clear()
	await finish()
	_note_errors()
	if not _problems.is_empty():
		failed += 1
		print("FAIL finish: %s" % "; ".join(_problems))
	print("%d passed, %d failed" % [passed, failed])
	quit(1 if failed or not passed else 0)


## The names of the tests, in the order of the file; those that [code]--only=PART[/code] leaves.
func _tests() -> PackedStringArray:
	var names: PackedStringArray = []
	var part: String = arguments.get("only", "test_")
	for method: Dictionary in get_method_list():
		var name: String = method["name"]
		if name.begins_with("test_") and name.contains(part) and name not in names:
			names.append(name)
	return names


func _run(name: String) -> bool:
	_problems.clear()
	await call(name)
	_note_errors()
	if _problems.is_empty():
		print("ok %s" % name)
		return true
	print("FAIL %s: %s" % [name, "; ".join(_problems)])
	return false


func _note_errors() -> void:
	for text: String in _errors.take():
		_problems.append("an error: %s" % text)


func _shown(value: Variant) -> String:
	var text: String = var_to_str(value).replace("\n", " ")
	return text if text.length() <= 400 else text.left(400) + "…"
