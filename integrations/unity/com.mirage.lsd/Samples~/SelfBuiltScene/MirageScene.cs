using UnityEngine;

namespace Mirage.Samples
{
    /// <summary>
    /// A scene that builds itself: put this on an empty object of an empty scene and press Play, with a daemon on this machine
    /// (<c>mirage serve</c>). Primitives turn under moving lights; the camera circles them; both components are set up here.
    /// </summary>
    public sealed class MirageScene : MonoBehaviour
    {
        const int Columns = 24;

        [SerializeField, Tooltip("The daemon's address.")]
        string url = "ws://127.0.0.1:8765/main";
        [SerializeField, Tooltip("What the scene becomes.")]
        string prompt = "oil painting";

        readonly Transform[] _columns = new Transform[Columns];
        readonly Light[] _lights = new Light[2];
        Camera _camera;

        void Start()
        {
            Build(PrimitiveType.Plane, Vector3.zero, new Vector3(4, 1, 4), 0.1f);
            for (var at = 0; at < Columns; at++)
            {
                var angle = at * Mathf.PI * 2 / Columns;
                var shape = at % 3 == 0 ? PrimitiveType.Sphere : at % 3 == 1 ? PrimitiveType.Cube : PrimitiveType.Cylinder;
                var place = new Vector3(Mathf.Cos(angle), 0.2f, Mathf.Sin(angle)) * (3 + at % 2 * 3);
                _columns[at] = Build(shape, place, new Vector3(0.8f, 1 + at % 4, 0.8f), (float)at / Columns);
            }
            for (var at = 0; at < _lights.Length; at++)
            {
                _lights[at] = new GameObject("Light").AddComponent<Light>();
                _lights[at].type = LightType.Point;
                _lights[at].range = 20;
                _lights[at].intensity = 3;
            }
            Connect();
        }

        void Connect()
        {
            var holder = new GameObject("Mirage");
            holder.SetActive(false); // so that it connects once it is set up
            var controller = holder.AddComponent<MirageController>();
            controller.Url = url;
            controller.Prompt = prompt;
            controller.ProblemOccurred.AddListener(problem => Debug.Log($"Mirage: {problem}"));
            holder.SetActive(true);

            _camera = new GameObject("Camera").AddComponent<Camera>();
            var view = _camera.gameObject.AddComponent<MirageCamera>();
            view.Controller = controller;
        }

        void Update()
        {
            var time = Time.time;
            foreach (var column in _columns)
                column.Rotate(0, 30 * Time.deltaTime, 0);
            for (var at = 0; at < _lights.Length; at++)
            {
                var angle = time * (0.7f + at * 0.4f) + at * Mathf.PI;
                _lights[at].transform.position = new Vector3(Mathf.Cos(angle) * 5, 3 + Mathf.Sin(time), Mathf.Sin(angle) * 5);
                _lights[at].color = Color.HSVToRGB(Mathf.Repeat(time * 0.05f + at * 0.5f, 1), 0.6f, 1);
            }
            _camera.transform.position = new Vector3(Mathf.Cos(time * 0.2f) * 11, 4, Mathf.Sin(time * 0.2f) * 11);
            _camera.transform.LookAt(Vector3.up);
        }

        Transform Build(PrimitiveType shape, Vector3 place, Vector3 size, float hue)
        {
            var thing = GameObject.CreatePrimitive(shape);
            thing.transform.SetParent(transform, false);
            thing.transform.position = place;
            thing.transform.localScale = size;
            thing.GetComponent<Renderer>().material.color = Color.HSVToRGB(hue, 0.5f, 0.9f);
            return thing.transform;
        }
    }
}
