// MirageMappedMemory: memory shared with another process, mapped. A GDExtension in plain C for Godot 4.4 and newer.
//
// It has the methods of transport/memory_file.gd, which says what each does. build.sh compiles it; all that it needs
// is gdextension_interface.h, which Godot itself writes. Apache-2.0.

#define _POSIX_C_SOURCE 200809L

#include "gdextension_interface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#define EXPORT __declspec(dllexport)
#define UNMAP(start, size) UnmapViewOfFile(start)
#else
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define EXPORT __attribute__((visibility("default")))
#define UNMAP(start, size) munmap(start, size)
#endif

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define MAX_PATH_SIZE 4096
#define MAX_ARGUMENTS 2

enum {
	T_NOTHING = GDEXTENSION_VARIANT_TYPE_NIL,
	T_BOOL = GDEXTENSION_VARIANT_TYPE_BOOL,
	T_INT = GDEXTENSION_VARIANT_TYPE_INT,
	T_STRING = GDEXTENSION_VARIANT_TYPE_STRING,
	T_BYTES = GDEXTENSION_VARIANT_TYPE_PACKED_BYTE_ARRAY,
};

// Room for each of Godot's own types that is used here.
typedef struct { void *pointer; } Name;
typedef union { int64_t integer; GDExtensionBool boolean; void *string; void *bytes[2]; } Value;

typedef struct {
	uint8_t *start; // NULL where nothing is open
	int64_t size;
} Memory;

// What Godot offers, looked up once.
static GDExtensionClassLibraryPtr library;
static struct {
	GDExtensionInterfaceStringNameNewWithLatin1Chars new_name;
	GDExtensionInterfaceStringNewWithUtf8Chars new_string;
	GDExtensionInterfaceStringToUtf8Chars string_to_utf8;
	GDExtensionInterfaceClassdbConstructObject2 construct_object;
	GDExtensionInterfaceObjectSetInstance set_instance;
	GDExtensionInterfacePackedByteArrayOperatorIndex bytes_at;
	GDExtensionInterfacePackedByteArrayOperatorIndexConst const_bytes_at;
	GDExtensionInterfaceClassdbRegisterExtensionClass4 register_class;
	GDExtensionInterfaceClassdbRegisterExtensionClassMethod register_method;
	GDExtensionInterfaceClassdbUnregisterExtensionClass unregister_class;
	GDExtensionInterfaceVariantGetType type_of;
	GDExtensionPtrBuiltInMethod resize_bytes, size_of_bytes;
	GDExtensionPtrConstructor construct[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
	GDExtensionPtrDestructor destroy[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
	GDExtensionVariantFromTypeConstructorFunc to_variant[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
	GDExtensionTypeFromVariantConstructorFunc from_variant[GDEXTENSION_VARIANT_TYPE_VARIANT_MAX];
} godot;

static Name name_of(const char *text) {
	Name name;
	godot.new_name(&name, text, 1);
	return name;
}

static int64_t size_of(const void *bytes) {
	int64_t size = 0;
	godot.size_of_bytes((GDExtensionTypePtr)bytes, NULL, &size, 0);
	return size;
}

static void drop(int type, void *value) {
	if (godot.destroy[type]) godot.destroy[type](value);
}

// --------------------------------------------------------------------------------------------------- Mapping

static void unmap(Memory *memory) {
	if (memory->start) UNMAP(memory->start, (size_t)memory->size);
	memory->start = NULL;
	memory->size = 0;
}

#ifdef _WIN32
// Map the file's first `size` bytes; writes what is wrong into `problem`, which stays empty where nothing is.
static void map(Memory *memory, const char *path, int64_t size, char *problem, size_t room) {
	wchar_t wide[MAX_PATH_SIZE] = L"";
	MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, MAX_PATH_SIZE);
	DWORD sharing = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
	HANDLE file = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE, sharing, NULL, OPEN_EXISTING, 0, NULL);
	HANDLE mapping = NULL;
	LARGE_INTEGER length = { 0 };
	// A mapping of more than the file has would make the file larger.
	if (file != INVALID_HANDLE_VALUE && GetFileSizeEx(file, &length) && size > 0 && length.QuadPart >= size) {
		mapping = CreateFileMappingW(file, NULL, PAGE_READWRITE, 0, 0, NULL);
		if (mapping) memory->start = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, (SIZE_T)size);
	}
	memory->size = memory->start ? size : 0;
	if (!memory->start) snprintf(problem, room, "Windows error %lu", (unsigned long)GetLastError());
	if (mapping) CloseHandle(mapping); // a view keeps what it shows
	if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
}
#else
static void map(Memory *memory, const char *path, int64_t size, char *problem, size_t room) {
	struct stat status;
	void *start = MAP_FAILED;
	int file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0 || fstat(file, &status)) {
		snprintf(problem, room, "%s", strerror(errno));
	} else if (!S_ISREG(status.st_mode) || status.st_size < size || size <= 0) {
		snprintf(problem, room, "it has %lld bytes, not %lld", (long long)status.st_size, (long long)size);
	} else if ((start = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED) {
		snprintf(problem, room, "%s", strerror(errno));
	} else {
		memory->start = start;
		memory->size = size;
	}
	if (file >= 0) close(file); // a mapping keeps what it shows
}
#endif

static int holds(const Memory *memory, int64_t offset, int64_t count) {
	return memory->start && offset >= 0 && count >= 0 && offset <= memory->size - count;
}

// A number that is not at a multiple of its size cannot be loaded or stored as a whole.
static uint64_t *word_at(const Memory *memory, int64_t offset) {
	return holds(memory, offset, 8) && offset % 8 == 0 ? (uint64_t *)(memory->start + offset) : NULL;
}

// --------------------------------------------------------------------------------------------------- Methods
// Arguments and result are Godot's own types; the result is initialised.

static void method_open(Memory *memory, const void *const *arguments, void *result) {
	char path[MAX_PATH_SIZE] = "", problem[256] = "";
	int64_t length = godot.string_to_utf8(arguments[0], path, MAX_PATH_SIZE - 1);
	unmap(memory);
	if (length < MAX_PATH_SIZE) map(memory, path, *(const int64_t *)arguments[1], problem, sizeof problem);
	else snprintf(problem, sizeof problem, "its path is too long");
	godot.destroy[T_STRING](result);
	godot.new_string(result, problem);
}

static void method_close(Memory *memory, const void *const *arguments, void *result) {
	unmap(memory);
}

static void method_get_size(Memory *memory, const void *const *arguments, void *result) {
	*(int64_t *)result = memory->size;
}

static void method_read(Memory *memory, const void *const *arguments, void *result) {
	int64_t offset = *(const int64_t *)arguments[0], count = *(const int64_t *)arguments[1], error = 0;
	if (!holds(memory, offset, count) || count == 0) return;
	GDExtensionConstTypePtr sizes[] = { &count };
	godot.resize_bytes(result, sizes, &error, 1);
	if (size_of(result) == count) memcpy(godot.bytes_at(result, 0), memory->start + offset, (size_t)count);
}

static void method_write(Memory *memory, const void *const *arguments, void *result) {
	int64_t offset = *(const int64_t *)arguments[0], count = size_of(arguments[1]);
	int fits = holds(memory, offset, count);
	if (fits && count) memcpy(memory->start + offset, godot.const_bytes_at(arguments[1], 0), (size_t)count);
	*(GDExtensionBool *)result = (GDExtensionBool)fits;
}

static void method_load_u64(Memory *memory, const void *const *arguments, void *result) {
	const uint64_t *word = word_at(memory, *(const int64_t *)arguments[0]);
	*(int64_t *)result = word ? (int64_t)__atomic_load_n(word, __ATOMIC_ACQUIRE) : 0;
}

static void method_store_u64(Memory *memory, const void *const *arguments, void *result) {
	uint64_t *word = word_at(memory, *(const int64_t *)arguments[0]);
	if (word) __atomic_store_n(word, *(const uint64_t *)arguments[1], __ATOMIC_RELEASE);
}

static void method_fence(Memory *memory, const void *const *arguments, void *result) {
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void method_sum(Memory *memory, const void *const *arguments, void *result) {
	int64_t count = size_of(arguments[0]) / 8;
	const uint8_t *bytes = count ? godot.const_bytes_at(arguments[0], 0) : NULL;
	uint64_t total = 0;
	for (int64_t index = 0; index < count; index++) {
		uint64_t word;
		memcpy(&word, bytes + index * 8, 8);
		total += word;
	}
	*(int64_t *)result = (int64_t)total;
}

typedef struct {
	const char *name;
	void (*run)(Memory *memory, const void *const *arguments, void *result);
	int result;
	int count;
	struct { const char *name; int type; } arguments[MAX_ARGUMENTS];
} Method;

static const Method METHODS[] = {
	{ "open", method_open, T_STRING, 2, { { "path", T_STRING }, { "size", T_INT } } },
	{ "close", method_close, T_NOTHING, 0, { { NULL, 0 } } },
	{ "get_size", method_get_size, T_INT, 0, { { NULL, 0 } } },
	{ "read", method_read, T_BYTES, 2, { { "offset", T_INT }, { "count", T_INT } } },
	{ "write", method_write, T_BOOL, 2, { { "offset", T_INT }, { "bytes", T_BYTES } } },
	{ "load_u64", method_load_u64, T_INT, 1, { { "offset", T_INT } } },
	{ "store_u64", method_store_u64, T_NOTHING, 2, { { "offset", T_INT }, { "value", T_INT } } },
	{ "fence", method_fence, T_NOTHING, 0, { { NULL, 0 } } },
	{ "sum", method_sum, T_INT, 1, { { "bytes", T_BYTES } } },
};

// ------------------------------------------------------------------------------------------ The class in Godot

// How compiled callers that know the types call.
static void call_typed(void *method, GDExtensionClassInstancePtr memory, const GDExtensionConstTypePtr *arguments,
		GDExtensionTypePtr result) {
	((const Method *)method)->run(memory, arguments, result);
}

// How scripts call.
static void call_variant(void *data, GDExtensionClassInstancePtr memory, const GDExtensionConstVariantPtr *given,
		GDExtensionInt count, GDExtensionVariantPtr result, GDExtensionCallError *error) {
	const Method *method = data;
	Value values[MAX_ARGUMENTS] = { { 0 } }, value = { 0 };
	const void *arguments[MAX_ARGUMENTS] = { NULL };
	if (count != method->count) {
		int few = count < method->count;
		error->error = few ? GDEXTENSION_CALL_ERROR_TOO_FEW_ARGUMENTS : GDEXTENSION_CALL_ERROR_TOO_MANY_ARGUMENTS;
		error->expected = method->count;
		return;
	}
	for (int index = 0; index < count; index++) {
		if ((int)godot.type_of(given[index]) == method->arguments[index].type) continue;
		error->error = GDEXTENSION_CALL_ERROR_INVALID_ARGUMENT;
		error->argument = index;
		error->expected = method->arguments[index].type;
		return;
	}
	for (int index = 0; index < count; index++) {
		godot.from_variant[method->arguments[index].type](&values[index], (GDExtensionVariantPtr)given[index]);
		arguments[index] = &values[index];
	}
	if (method->result != T_NOTHING) godot.construct[method->result](&value, NULL);
	method->run(memory, arguments, &value);
	if (method->result != T_NOTHING) godot.to_variant[method->result](result, &value);
	drop(method->result, &value);
	for (int index = 0; index < count; index++) drop(method->arguments[index].type, &values[index]);
}

static GDExtensionObjectPtr create(void *data, GDExtensionBool notify) {
	Name base = name_of("RefCounted"), name = name_of("MirageMappedMemory");
	Memory *memory = calloc(1, sizeof(Memory));
	GDExtensionObjectPtr object = memory ? godot.construct_object(&base) : NULL;
	if (object) godot.set_instance(object, &name, memory);
	else free(memory);
	return object;
}

static void destroy(void *data, GDExtensionClassInstancePtr memory) {
	if (memory) unmap(memory);
	free(memory);
}

static GDExtensionPropertyInfo described(int type, Name *name) {
	static Name nothing; // an empty name or string is a null pointer
	GDExtensionPropertyInfo info = { (GDExtensionVariantType)type, name, &nothing, 0, &nothing, 6 };
	return info;
}

static void register_method(const Name *class_name, const Method *method) {
	Name name = name_of(method->name), result_name = name_of(""), argument_names[MAX_ARGUMENTS];
	GDExtensionPropertyInfo arguments[MAX_ARGUMENTS], result = described(method->result, &result_name);
	GDExtensionClassMethodArgumentMetadata metadata[MAX_ARGUMENTS] = { 0 };
	for (int index = 0; index < method->count; index++) {
		argument_names[index] = name_of(method->arguments[index].name);
		arguments[index] = described(method->arguments[index].type, &argument_names[index]);
	}
	GDExtensionClassMethodInfo info = { .name = &name, .method_userdata = (void *)method, .call_func = call_variant,
		.ptrcall_func = call_typed, .method_flags = GDEXTENSION_METHOD_FLAGS_DEFAULT,
		.has_return_value = method->result != T_NOTHING, .return_value_info = &result,
		.argument_count = (uint32_t)method->count, .arguments_info = arguments, .arguments_metadata = metadata };
	godot.register_method(library, class_name, &info);
}

static void initialize(void *data, GDExtensionInitializationLevel level) {
	if (level != GDEXTENSION_INITIALIZATION_SCENE) return;
	Name name = name_of("MirageMappedMemory"), base = name_of("RefCounted");
	GDExtensionClassCreationInfo4 info = { .is_exposed = 1, .create_instance_func = create,
		.free_instance_func = destroy };
	godot.register_class(library, &name, &base, &info);
	for (int index = 0; index < LENGTH(METHODS); index++) register_method(&name, &METHODS[index]);
}

static void deinitialize(void *data, GDExtensionInitializationLevel level) {
	Name name = name_of("MirageMappedMemory");
	if (level == GDEXTENSION_INITIALIZATION_SCENE) godot.unregister_class(library, &name);
}

static void look_up_types(GDExtensionInterfaceGetProcAddress get) {
	GDExtensionInterfaceVariantGetPtrConstructor constructor = (void *)get("variant_get_ptr_constructor");
	GDExtensionInterfaceVariantGetPtrDestructor destructor = (void *)get("variant_get_ptr_destructor");
	GDExtensionInterfaceGetVariantFromTypeConstructor to = (void *)get("get_variant_from_type_constructor");
	GDExtensionInterfaceGetVariantToTypeConstructor from = (void *)get("get_variant_to_type_constructor");
	GDExtensionInterfaceVariantGetPtrBuiltinMethod method = (void *)get("variant_get_ptr_builtin_method");
	const int types[] = { T_BOOL, T_INT, T_STRING, T_BYTES };
	for (int index = 0; index < LENGTH(types); index++) {
		GDExtensionVariantType type = (GDExtensionVariantType)types[index];
		godot.construct[type] = constructor(type, 0);
		godot.destroy[type] = destructor(type); // NULL for what needs none
		godot.to_variant[type] = to(type);
		godot.from_variant[type] = from(type);
	}
	Name resize = name_of("resize"), size = name_of("size");
	godot.resize_bytes = method((GDExtensionVariantType)T_BYTES, &resize, 848867239);
	godot.size_of_bytes = method((GDExtensionVariantType)T_BYTES, &size, 3173160232);
}

// Godot calls this first; false where it lacks something.
EXPORT GDExtensionBool mirage_native_init(GDExtensionInterfaceGetProcAddress get, GDExtensionClassLibraryPtr own,
		GDExtensionInitialization *initialization) {
	library = own;
	godot.new_name = (void *)get("string_name_new_with_latin1_chars");
	godot.new_string = (void *)get("string_new_with_utf8_chars");
	godot.string_to_utf8 = (void *)get("string_to_utf8_chars");
	godot.construct_object = (void *)get("classdb_construct_object2");
	godot.set_instance = (void *)get("object_set_instance");
	godot.bytes_at = (void *)get("packed_byte_array_operator_index");
	godot.const_bytes_at = (void *)get("packed_byte_array_operator_index_const");
	godot.type_of = (void *)get("variant_get_type");
	godot.register_class = (void *)get("classdb_register_extension_class4");
	godot.register_method = (void *)get("classdb_register_extension_class_method");
	godot.unregister_class = (void *)get("classdb_unregister_extension_class");
	look_up_types(get);
	initialization->minimum_initialization_level = GDEXTENSION_INITIALIZATION_SCENE;
	initialization->initialize = initialize;
	initialization->deinitialize = deinitialize;
	return godot.construct_object && godot.register_class && godot.resize_bytes && godot.size_of_bytes;
}
