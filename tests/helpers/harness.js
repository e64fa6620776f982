// Models and views as anywidget makes them, in a page that has neither kernel nor network.

(() => {
  const FROM_THE_START = 5; // hosts' buffers rarely start where their memory does

  const bytesOf = (base64) => {
    const text = atob(base64);
    const memory = new Uint8Array(FROM_THE_START + text.length);
    for (let i = 0; i < text.length; i++) memory[FROM_THE_START + i] = text.charCodeAt(i);
    return new DataView(memory.buffer, FROM_THE_START);
  };
  const decode = (_, value) =>
    value && typeof value === "object" && "base64" in value ? bytesOf(value.base64) : value;
  const encode = (value) => {
    if (value instanceof ArrayBuffer) return encode(new Uint8Array(value));
    if (!ArrayBuffer.isView(value)) return value;
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return { base64: btoa(text) };
  };
  const same = (a, b) => a === b || JSON.stringify(a, encodeEach) === JSON.stringify(b, encodeEach);
  const encodeEach = (_, value) => encode(value);

  class Model {
    #state;
    #listeners = [];
    #unsaved = new Set();
    sent = [];
    saved = [];

    constructor(state) {
      this.#state = state;
    }

    get(name) {
      return this.#state[name];
    }

    set(name, value) {
      if (same(this.#state[name], value)) return;
      this.#state[name] = value;
      this.#unsaved.add(name);
      this.#fire(`change:${name}`, this, value);
    }

    save_changes() {
      this.saved.push(Object.fromEntries([...this.#unsaved].map((k) => [k, this.#state[k]])));
      this.#unsaved.clear();
    }

    send(content, _callbacks, buffers = []) {
      this.sent.push({ content, buffers });
    }

    on(name, callback, context) {
      this.#listeners.push({ name, callback, context });
    }

    off(name, callback, context) {
      this.#listeners = this.#listeners.filter(
        (one) =>
          (name && one.name !== name) ||
          (callback && one.callback !== callback) ||
          one.context !== context,
      );
    }

    get listening() {
      return this.#listeners.length;
    }

    /** What Python does: traits that change together are all set before anything hears of it. */
    update(changes) {
      const changed = Object.keys(changes).filter((k) => !same(this.#state[k], changes[k]));
      Object.assign(this.#state, changes);
      for (const name of changed) this.#fire(`change:${name}`, this, changes[name]);
    }

    receive(content, buffers) {
      this.#fire("msg:custom", content, buffers);
    }

    #fire(name, ...values) {
      for (const one of [...this.#listeners]) if (one.name === name) one.callback(...values);
    }
  }

  /** The face of a model that is given to a module: another one in each call. */
  const proxy = (model, context) => ({
    get: (name) => model.get(name),
    set: (name, value) => model.set(name, value),
    save_changes: () => model.save_changes(),
    send: (...values) => model.send(...values),
    on: (name, callback) => model.on(name, callback, context),
    off: (name, callback) => model.off(name, callback, context),
    widget_manager: {},
  });

  const load = (text) => {
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    return import(url).finally(() => URL.revokeObjectURL(url));
  };

  const styleSheet = (text) => {
    const style = document.createElement("style");
    style.textContent = text;
    return style;
  };

  const texts = { module: "", style: "" };
  const states = new Map();
  const hosts = new Map();
  let shared; // the module, where all models take the same
  let styled = false;
  let made = 0;

  window.harness = {
    hosts,

    /** Keep the built files and a state by name, so that many models can be made of them. */
    keep(module, style, state) {
      Object.assign(texts, { module, style });
      const name = `state ${states.size}`;
      states.set(name, state);
      return name;
    },

    /**
     * Make a model: import the module (anew, as hosts do, or once for all) and initialize it.
     * Newer hosts end it by `"signal"`, older ones by the `"function"` given back, some by both.
     */
    async open(name, { anew = true, ending = "both" } = {}) {
      const model = new Model(JSON.parse(states.get(name), decode));
      const asked = performance.now();
      if (!anew) shared ??= load(texts.module);
      const module = await (anew ? load(texts.module) : shared);
      const evaluated = performance.now();
      const definition = await module.default();
      const controller = new AbortController();
      const context = {};
      const signal = ending === "function" ? undefined : controller.signal;
      const given = await definition.initialize({ model: proxy(model, context), signal });
      const cleanUp = ending === "signal" ? undefined : given;
      const id = `${made++}`;
      const close = async () => {
        for (const view of [...host.views]) await view.close();
        controller.abort();
        await cleanUp?.();
        hosts.delete(id);
      };
      const host = { model, definition, views: [], close, ending, asked, evaluated };
      hosts.set(id, host);
      return id;
    },

    /** Show a view of a model in an element of its own. */
    async show(id, { width, shadow = false } = {}) {
      const host = hosts.get(id);
      const outer = document.createElement("div");
      outer.dataset.view = `${id}-${host.views.length}`;
      if (width) outer.style.width = `${width}px`;
      document.querySelector("main").append(outer);
      const place = shadow ? outer.attachShadow({ mode: "open" }) : outer;
      if (shadow) place.append(styleSheet(texts.style));
      else if (!styled) document.head.append(styleSheet(texts.style));
      styled ||= !shadow;
      const el = document.createElement("div");
      place.append(el);
      const controller = new AbortController();
      const model = proxy(host.model, el);
      const signal = host.ending === "function" ? undefined : controller.signal;
      const given = await host.definition.render({ model, el, signal });
      const cleanUp = host.ending === "signal" ? undefined : given;
      const view = {
        outer,
        close: async () => {
          controller.abort();
          host.model.off(null, null, el);
          await cleanUp?.();
          outer.remove();
          host.views.splice(host.views.indexOf(view), 1);
        },
      };
      host.views.push(view);
      return outer.dataset.view;
    },

    receive: (id, content, buffers) =>
      hosts.get(id).model.receive(content, buffers.map((buffer) => bytesOf(buffer))),
    update: (id, changes) => hosts.get(id).model.update(JSON.parse(changes, decode)),
    get: (id, name) => encode(hosts.get(id).model.get(name)),
    sent: (id) =>
      hosts.get(id).model.sent.map(({ content, buffers }) => [content, buffers.map(encode)]),
  };
})();
