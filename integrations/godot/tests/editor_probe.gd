@tool
extends EditorPlugin
## Runs in the editor: a client there changes a parameter as the inspector would. The test makes a plugin of it.

var _client: MirageClient


func _enter_tree() -> void:
	_client = MirageClient.new()
	for argument: String in OS.get_cmdline_user_args():
		if argument.begins_with("--url="):
			_client.url = argument.trim_prefix("--url=")
	_client.parameters.strength = 0.5  # what the scene was saved with does not disturb a running show
	_client.state_changed.connect(_on_state_changed)
	_client.parameters_changed.connect(_on_parameters_changed)
	_client.problem.connect(func(error: MirageError) -> void: print("PROBE problem: %s" % error))
	add_child(_client)


func _on_state_changed(state: MirageClient.State, message: String) -> void:
	print("PROBE %s" % message)
	if state == MirageClient.State.CONNECTED:
		_client.parameters.seed = 99


func _on_parameters_changed(values: Dictionary) -> void:
	if values.get("seed") == 99 and values.size() == 1:
		print("PROBE taken; strength stays %s" % _client.parameters.strength)
		get_tree().quit()
