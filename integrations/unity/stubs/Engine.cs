// Stand-ins for the members of Unity that the package uses: to compile against, and just enough of them to play a component without
// the engine: objects are counted, and memory is real. CHECKED.md says where each was looked up.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Runtime.InteropServices;
using Unity.Collections;
using UnityEngine.Experimental.Rendering;
using UnityEngine.Rendering;

namespace Unity.Collections
{
    /// What was made and not let go of.
    public static class Alive { public static int Count; }

    public enum Allocator { Persistent = 4 }
    public enum NativeArrayOptions { UninitializedMemory, ClearMemory }

    public struct NativeArray<T> : IDisposable where T : struct
    {
        internal IntPtr Memory;

        public NativeArray(int length, Allocator allocator, NativeArrayOptions options = NativeArrayOptions.ClearMemory)
        {
            Length = length;
            Memory = Marshal.AllocHGlobal(length);
            Alive.Count++;
        }

        public bool IsCreated => Memory != IntPtr.Zero;
        public int Length { get; }

        public void Dispose()
        {
            Marshal.FreeHGlobal(Memory);
            Memory = IntPtr.Zero;
            Alive.Count--;
        }
    }
}

namespace Unity.Collections.LowLevel.Unsafe
{
    public static class NativeArrayUnsafeUtility
    {
        public static unsafe void* GetUnsafePtr<T>(this NativeArray<T> nativeArray) where T : struct => (void*)nativeArray.Memory;
        public static unsafe void* GetUnsafeReadOnlyPtr<T>(this NativeArray<T> nativeArray) where T : struct => (void*)nativeArray.Memory;
    }
}

namespace UnityEngine
{
    [Flags] public enum HideFlags { None = 0, HideAndDontSave = 61 }
    [Flags] public enum DepthTextureMode { None = 0, Depth = 1, DepthNormals = 2, MotionVectors = 4 }
    public enum FilterMode { Point, Bilinear, Trilinear }
    public enum TextureWrapMode { Repeat, Clamp }
    public enum TextureFormat { RGB24 = 3, RGBA32 = 4 }
    public enum ColorSpace { Uninitialized = -1, Gamma = 0, Linear = 1 }
    public enum MeshTopology { Triangles = 0 }
    public enum CameraClearFlags { Skybox = 1, Color = 2, SolidColor = 2, Depth = 3, Nothing = 4 }
    public enum RenderMode { ScreenSpaceOverlay, ScreenSpaceCamera, WorldSpace }
    public enum LightType { Spot, Directional, Point }
    public enum PrimitiveType { Sphere, Capsule, Cylinder, Cube, Plane, Quad }

    [AttributeUsage(AttributeTargets.Field)] public abstract class PropertyAttribute : Attribute { }
    public sealed class SerializeField : Attribute { }
    [AttributeUsage(AttributeTargets.Field)] public class TooltipAttribute : PropertyAttribute { public TooltipAttribute(string tooltip) { } }
    [AttributeUsage(AttributeTargets.Field, AllowMultiple = true)] public class HeaderAttribute : PropertyAttribute { public HeaderAttribute(string header) { } }
    [AttributeUsage(AttributeTargets.Field)] public sealed class RangeAttribute : PropertyAttribute { public RangeAttribute(float min, float max) { } }
    [AttributeUsage(AttributeTargets.Field)] public sealed class MinAttribute : PropertyAttribute { public MinAttribute(float min) { } }
    [AttributeUsage(AttributeTargets.Field)] public sealed class TextAreaAttribute : PropertyAttribute { public TextAreaAttribute(int minLines, int maxLines) { } }
    public sealed class AddComponentMenu : Attribute { public AddComponentMenu(string menuName) { } }
    [AttributeUsage(AttributeTargets.Class, Inherited = false)] public sealed class DisallowMultipleComponent : Attribute { }
    [AttributeUsage(AttributeTargets.Class)] public class DefaultExecutionOrder : Attribute { public DefaultExecutionOrder(int order) { } }

    public class Object
    {
        public string name { get; set; }
        public HideFlags hideFlags { get; set; }
        public static void Destroy(Object obj) => DestroyImmediate(obj);
        public static void DestroyImmediate(Object obj) => obj.Remove();
        protected virtual void Remove() => Alive.Count--;
        public static implicit operator bool(Object exists) => !(exists is null);
        public static bool operator ==(Object x, Object y) => ReferenceEquals(x, y);
        public static bool operator !=(Object x, Object y) => !ReferenceEquals(x, y);
        public override bool Equals(object other) => ReferenceEquals(this, other);
        public override int GetHashCode() => 0;
    }

    public class ScriptableObject : Object { }

    public class Component : Object
    {
        public Transform transform => gameObject.transform;
        public GameObject gameObject { get; internal set; }
        public T GetComponent<T>() => gameObject.GetComponent<T>();
    }

    public class Behaviour : Component { public bool enabled { get; set; } }
    public class MonoBehaviour : Behaviour { }

    public class Transform : Component
    {
        protected Transform() { }
        public Vector3 position { get; set; }
        public Vector3 localScale { get; set; }
        public void SetParent(Transform parent, bool worldPositionStays) => parent.gameObject.Adopt(gameObject);
        public void Rotate(float xAngle, float yAngle, float zAngle) { }
        public void LookAt(Vector3 worldPosition) { }
    }

    public sealed class GameObject : Object
    {
        readonly List<Component> _components = new List<Component>();
        readonly List<GameObject> _children = new List<GameObject>();

        public GameObject(string name)
        {
            this.name = name;
            transform = AddComponent<Transform>();
            Alive.Count++;
        }

        public Transform transform { get; }

        public T AddComponent<T>() where T : Component
        {
            var made = (T)Activator.CreateInstance(typeof(T), true);
            made.gameObject = this;
            _components.Add(made);
            return made;
        }

        public T GetComponent<T>() => _components.OfType<T>().FirstOrDefault();
        internal void Adopt(GameObject child) => _children.Add(child);

        protected override void Remove()
        {
            base.Remove();
            _children.ForEach(DestroyImmediate);
        }

        public void SetActive(bool value) { }
        public static GameObject CreatePrimitive(PrimitiveType type) => null;
    }

    public struct Vector2Int : IEquatable<Vector2Int>
    {
        public Vector2Int(int x, int y) => (this.x, this.y) = (x, y);
        public int x { get; set; }
        public int y { get; set; }
        public static bool operator ==(Vector2Int lhs, Vector2Int rhs) => lhs.Equals(rhs);
        public static bool operator !=(Vector2Int lhs, Vector2Int rhs) => !lhs.Equals(rhs);
        public bool Equals(Vector2Int other) => x == other.x && y == other.y;
        public override bool Equals(object other) => other is Vector2Int that && Equals(that);
        public override int GetHashCode() => x ^ y;
    }

    public struct Vector3
    {
        public float x, y, z;
        public Vector3(float x, float y, float z) => (this.x, this.y, this.z) = (x, y, z);
        public static Vector3 zero => default;
        public static Vector3 up => default;
        public static Vector3 operator *(Vector3 a, float d) => a;
    }

    public struct Vector4
    {
        public float x, y, z, w;
        public Vector4(float x, float y, float z, float w) => (this.x, this.y, this.z, this.w) = (x, y, z, w);
    }

    public struct Matrix4x4
    {
        public static Matrix4x4 identity => default;
        public float this[int row, int column] { get => row == column ? 1 : row == 3 && column == 2 ? -0.5f : 0; set { } }
    }

    public struct Color
    {
        public static Color black => default;
        public static Color HSVToRGB(float H, float S, float V) => default;
    }

    public struct Mathf
    {
        public const float PI = (float)Math.PI;
        public static int Clamp(int value, int min, int max) => value;
        public static float Sin(float f) => f;
        public static float Cos(float f) => f;
        public static float Repeat(float t, float length) => t;
    }

    public class Texture : Object
    {
        protected Texture() { }
        public virtual int width { get; set; }
        public virtual int height { get; set; }
        public virtual TextureDimension dimension { get; set; }
        public virtual GraphicsFormat graphicsFormat => default;
        public FilterMode filterMode { get; set; }
        public TextureWrapMode wrapMode { get; set; }
    }

    public sealed class Texture2D : Texture
    {
        readonly NativeArray<byte> _data;

        public Texture2D(int width, int height, TextureFormat textureFormat, bool mipChain)
        {
            (this.width, this.height, format) = (width, height, textureFormat);
            _data = new NativeArray<byte>(width * height * (int)textureFormat, Allocator.Persistent); // 3 and 4 are the bytes of a pixel
        }

        public TextureFormat format { get; }
        public NativeArray<T> GetRawTextureData<T>() where T : struct => (NativeArray<T>)(object)_data;
        protected override void Remove() => _data.Dispose();
        public void Apply(bool updateMipmaps) { }
    }

    public static class ImageConversion
    {
        public static bool LoadImage(this Texture2D tex, byte[] data) => false;
    }

    public class RenderTexture : Texture
    {
        public RenderTexture(int width, int height, int depth, GraphicsFormat format)
        {
            (this.width, this.height, graphicsFormat, dimension) = (width, height, format, TextureDimension.Tex2D);
            Alive.Count++;
        }

        public override int width { get; set; }
        public override int height { get; set; }
        public override TextureDimension dimension { get; set; }
        public new GraphicsFormat graphicsFormat { get; set; } // hides the texture's, which is virtual
        public bool bindTextureMS { get; set; }
        public bool Create() => true;
        public void Release() { }
    }

    public sealed class Shader : Object
    {
        public bool isSupported => false;
        public static int PropertyToID(string name) => 0;
    }

    public class Material : Object
    {
        public Material(Shader shader) => Alive.Count++;
        public Color color { get; set; }
        public void EnableKeyword(string keyword) { }
        public void DisableKeyword(string keyword) { }
    }

    public sealed class MaterialPropertyBlock
    {
        public void Clear() { }
        public void SetFloat(int nameID, float value) { }
        public void SetVector(int nameID, Vector4 value) { }
        public void SetMatrix(int nameID, Matrix4x4 value) { }
        public void SetTexture(int nameID, Texture value) { }
        public void SetTexture(string name, Texture value) { }
    }

    public class Renderer : Component
    {
        public Material material { get; set; }
        public void GetPropertyBlock(MaterialPropertyBlock properties) { }
        public void SetPropertyBlock(MaterialPropertyBlock properties) { }
    }

    public sealed class Light : Behaviour
    {
        public LightType type { get; set; }
        public float range { get; set; }
        public float intensity { get; set; }
        public Color color { get; set; }
    }

    public sealed class Canvas : Behaviour
    {
        public RenderMode renderMode { get; set; }
        public int sortingOrder { get; set; }
        public int targetDisplay { get; set; }
    }

    public sealed class Camera : Behaviour
    {
        public delegate void CameraCallback(Camera cam);
        public static CameraCallback onPreRender;
        public RenderTexture targetTexture { get; set; }
        public int targetDisplay { get; set; }
        public int cullingMask { get; set; }
        public CameraClearFlags clearFlags { get; set; }
        public Color backgroundColor { get; set; }
        public float depth { get; set; }
        public float nearClipPlane { get; set; }
        public float farClipPlane { get; set; }
        public DepthTextureMode depthTextureMode { get; set; }
        public Matrix4x4 worldToCameraMatrix { get; set; }
        public Matrix4x4 projectionMatrix { get; set; }
        public Matrix4x4 nonJitteredProjectionMatrix { get; set; }
        public void AddCommandBuffer(CameraEvent evt, CommandBuffer buffer) { }
        public void RemoveCommandBuffer(CameraEvent evt, CommandBuffer buffer) { }
    }

    public sealed class GL { public static Matrix4x4 GetGPUProjectionMatrix(Matrix4x4 proj, bool renderIntoTexture) => proj; }
    public class Graphics { public static void ExecuteCommandBuffer(CommandBuffer buffer) { } }
    public sealed class Resources { public static T Load<T>(string path) where T : Object => Activator.CreateInstance<T>(); }
    public class Application { public static bool isPlaying => true; public static string unityVersion => ""; }
    public sealed class QualitySettings : Object { public static ColorSpace activeColorSpace => default; }

    public sealed class SystemInfo
    {
        public static bool supportsAsyncGPUReadback => true;
        public static bool usesReversedZBuffer => true;
        public static GraphicsDeviceType graphicsDeviceType => default;
    }

    public class Time
    {
        public static int frameCount => (int)(unscaledTimeAsDouble * 60);
        public static float time => 0;
        public static float deltaTime => 0;
        public static float unscaledDeltaTime => 1 / 60f;
        public static double unscaledTimeAsDouble => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
    }

    public class Debug
    {
        public static void Log(object message) { }
        public static void LogWarning(object message, Object context) { }
    }

    public sealed class GUILayoutOption { }
    public class GUILayout { public static bool Button(string text, params GUILayoutOption[] options) => false; }
    public sealed class GUIStyle { }
}

namespace UnityEngine.Events
{
    public delegate void UnityAction<T0>(T0 arg0);

    [Serializable] public abstract class UnityEventBase { }

    [Serializable]
    public class UnityEvent<T0> : UnityEventBase
    {
        [NonSerialized] UnityAction<T0> _calls;
        public void AddListener(UnityAction<T0> call) => _calls += call;
        public void RemoveListener(UnityAction<T0> call) => _calls -= call;
        public void Invoke(T0 arg0) => _calls?.Invoke(arg0);
    }
}

namespace UnityEngine.EventSystems
{
    public abstract class UIBehaviour : MonoBehaviour { }
}

namespace UnityEngine.UI
{
    public abstract class Graphic : EventSystems.UIBehaviour
    {
        public virtual Color color { get; set; }
        public virtual bool raycastTarget { get; set; }
    }

    public abstract class MaskableGraphic : Graphic { }

    public class RawImage : MaskableGraphic
    {
        protected RawImage() { }
        public Texture texture { get; set; }
    }

    public class AspectRatioFitter : EventSystems.UIBehaviour
    {
        protected AspectRatioFitter() { }
        public enum AspectMode { None, WidthControlsHeight, HeightControlsWidth, FitInParent, EnvelopeParent }
        public AspectMode aspectMode { get; set; }
        public float aspectRatio { get; set; }
    }
}
