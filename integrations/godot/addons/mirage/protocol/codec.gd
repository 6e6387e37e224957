@tool
extends RefCounted
## Messages as bytes, and bytes as messages (SPEC.md section 2): a length, a MessagePack map, and planes aligned to 16
## bytes.
##
## A message is a dictionary with the field names of SPEC.md and its [code]type[/code]; what its planes are,
## [code]planes.gd[/code] says.

const Checks := preload("checks.gd")
const Check := Checks.Check
const Messages := preload("messages.gd")
const MessagePack := preload("messagepack.gd")
const Planes := preload("planes.gd")

## Bytes that a header may have.
const MAX_HEADER_SIZE: int = 65_536
## Bytes before the header, which give its size.
const LENGTH_SIZE: int = 4


## Return the message that [param bytes] are, or a [MirageError]. Absent fields stand with their defaults, or not at all
## where they have none. [param sender] is [code]server[/code] or [code]client[/code].
static func decode(bytes: PackedByteArray, sender: String = "server") -> Variant:
	var header_size: Variant = header_size_of(bytes, bytes.size())
	if header_size is MirageError:
		return header_size
	var start: int = payload_start(header_size)
	var message: Variant = decode_header(bytes, header_size, maxi(bytes.size() - start, 0), sender)
	if message is MirageError:
		return message
	for plane: Dictionary in message.get("planes", {}).values():
		take_data(plane, bytes.slice(start + plane["offset"], start + plane["offset"] + plane["size"]))
	return message


## Return how many bytes the header has of a message of [param size] bytes that begins with [param bytes], or a
## [MirageError].
static func header_size_of(bytes: PackedByteArray, size: int) -> Variant:
	if mini(size, bytes.size()) < LENGTH_SIZE:
		return MirageError.new(&"malformed", "a message has at least 4 bytes; this one has %d" % size)
	var header_size: int = bytes.decode_u32(0)
	if header_size > MAX_HEADER_SIZE:
		return MirageError.new(&"malformed", "the header may have %d bytes, not %d" % [MAX_HEADER_SIZE, header_size])
	if LENGTH_SIZE + header_size > size:
		return MirageError.new(&"malformed", "the message ends inside its header")
	return header_size


## Return where the payload of a message begins whose header has [param header_size] bytes.
static func payload_start(header_size: int) -> int:
	return Planes.aligned(LENGTH_SIZE + header_size)


## Return the message whose first bytes are [param bytes], with planes that say where they lie in its payload of
## [param payload_size] bytes and have no data yet, or a [MirageError]. For a reader that takes each plane from where it
## is to where it shall be: see [method take_data].
static func decode_header(
	bytes: PackedByteArray, header_size: int, payload_size: int, sender: String = "server"
) -> Variant:
	var header: Variant = MessagePack.unpack(bytes, LENGTH_SIZE, LENGTH_SIZE + header_size)
	if header is MirageError:
		return header
	if not header is Dictionary:
		return MirageError.new(&"malformed", "the header must be a MessagePack map")
	var type: Variant = _type_of(header)
	if type is MirageError:
		return type
	var kinds: Dictionary[String, Messages.Record] = Messages.from_server
	if sender == "client":
		kinds = Messages.from_client
	if type not in kinds:
		var problem: String = "there is no message '%s' from a %s" % [str(type).left(40), sender]
		return MirageError.new(&"unknown-message", problem, "type")
	var message: Variant = kinds[type].build(header, {"type": type}, payload_size)
	return Check.explained(message) if message is MirageError else message


## Give a plane of [method decode_header] its bytes, [param data], instead of where they lie.
static func take_data(plane: Dictionary, data: PackedByteArray) -> void:
	plane.erase("offset")
	plane.erase("size")
	plane["data"] = data


## Return [param message] as the bytes of one WebSocket message; see [method encode_pieces].
static func encode(message: Dictionary) -> PackedByteArray:
	var whole: PackedByteArray = []
	for piece: PackedByteArray in encode_pieces(message):
		whole.append_array(piece)
	return whole


## Return what [method encode] does in pieces that follow one another, of which the planes' bytes are not copied: for
## who puts them elsewhere. Fields that are null are left out. Nothing where the header would be over its limit.
static func encode_pieces(message: Dictionary) -> Array[PackedByteArray]:
	var header: Dictionary = {}
	for name: String in message:
		if message[name] != null:
			header[name] = message[name]
	var planes: Dictionary = message.get("planes", {})
	if not planes.is_empty():
		header["planes"] = Planes.described(planes)
	var packed: PackedByteArray = MessagePack.pack(header)
	if packed.size() > MAX_HEADER_SIZE:
		return []
	var head: PackedByteArray = []
	head.resize(LENGTH_SIZE)
	head.encode_u32(0, packed.size())
	head.append_array(packed)
	var pieces: Array[PackedByteArray] = [head]
	for plane: Dictionary in planes.values():
		_pad(pieces)
		pieces.append(plane["data"])
	return pieces


# Fill up with zeros, so that what comes next is aligned: all pieces but the last are so already.
static func _pad(pieces: Array[PackedByteArray]) -> void:
	var size: int = pieces[-1].size()
	var missing: int = Planes.aligned(size) - size
	if missing == 0:
		return
	if pieces.size() == 1:
		pieces[0].resize(size + missing)
		return
	var zeros: PackedByteArray = []
	zeros.resize(missing)
	pieces.append(zeros)


static func _type_of(header: Dictionary) -> Variant:
	if header.get("type") == null:
		return Check.explained(Check.missing("type"))
	var type: Variant = Checks.Text.new(200).take(header["type"])
	return Check.explained(Check.inside("type", type)) if type is MirageError else type
