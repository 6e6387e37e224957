@tool
extends EditorPlugin
## Mirage in the editor. The nodes register themselves; this adds their connection's state to the inspector.

const ClientInspector := preload("editor/client_inspector.gd")

var _inspector: ClientInspector


func _enter_tree() -> void:
	_inspector = ClientInspector.new()
	add_inspector_plugin(_inspector)


func _exit_tree() -> void:
	remove_inspector_plugin(_inspector)
	_inspector = null
