@tool
extends EditorInspectorPlugin
## Shows above a MirageClient's properties whether the daemon is there, and opens its page.


func _can_handle(object: Object) -> bool:
	return object is MirageClient


func _parse_begin(object: Object) -> void:
	var client: MirageClient = object
	var row: HBoxContainer = HBoxContainer.new()
	var label: Label = Label.new()
	label.size_flags_horizontal = Control.SIZE_EXPAND_FILL
	label.autowrap_mode = TextServer.AUTOWRAP_WORD_SMART
	label.text = _said(client)
	var tell: Callable = func(_state: MirageClient.State, _message: String) -> void: label.text = _said(client)
	client.state_changed.connect(tell)
	label.tree_exited.connect(func() -> void: client.state_changed.disconnect(tell))
	var page: Button = Button.new()
	page.text = "Open page"
	page.tooltip_text = "Open the daemon's own page, with every control and a preview, in the browser."
	page.pressed.connect(func() -> void: OS.shell_open(_page(client.url)))
	row.add_child(label)
	row.add_child(page)
	add_custom_control(row)


static func _said(client: MirageClient) -> String:
	match client.state:
		MirageClient.State.CONNECTED:
			var model: Dictionary = client.server.get("model", {})
			return "Connected: %s" % model.get("name", client.server.get("server", "a daemon"))
		MirageClient.State.REFUSED:
			return "Refused: %s" % client.last_error.message
		MirageClient.State.DISCONNECTED:
			return "Not connected"
	return "No daemon at %s yet: run 'mirage serve'" % client.url


static func _page(url: String) -> String:
	var host: String = url.get_slice("://", 1).get_slice("/", 0)
	return "%s://%s/" % ["https" if url.begins_with("wss") else "http", host]
