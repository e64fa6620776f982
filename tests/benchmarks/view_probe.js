// Watches what scripts do and when it is painted. Runs before anything else in the page.

(() => {
  const frame = window.requestAnimationFrame.bind(window);
  const channel = new MessageChannel();
  let afterwards = [];
  channel.port1.onmessage = () => {
    const runs = afterwards;
    afterwards = [];
    for (const run of runs) run(performance.now());
  };

  const asked = { frames: 0, timers: 0, mutations: 0 };
  let work = 0; // ms in scripts since the start of a measurement
  let scripted = 0; // when the last script ended
  let depth = 0;
  let inFrame = false;
  let waiting; // the measurement that goes on

  const timed = (run) =>
    function (...values) {
      const started = performance.now();
      depth++;
      try {
        return typeof run === "function" ? run.apply(this, values) : run.handleEvent(...values);
      } finally {
        depth--;
        if (depth === 0) {
          scripted = performance.now();
          work += scripted - started;
        }
      }
    };

  window.requestAnimationFrame = (run) => {
    asked.frames++;
    const one = timed(run);
    return frame((time) => {
      inFrame = true;
      try {
        one(time);
      } finally {
        // After the microtasks in which observers hear of what this callback did.
        queueMicrotask(() => {
          inFrame = false;
        });
      }
    });
  };
  for (const name of ["setTimeout", "setInterval", "requestIdleCallback"]) {
    const ask = window[name].bind(window);
    window[name] = (run, ...rest) => {
      asked.timers++;
      return ask(typeof run === "function" ? timed(run) : run, ...rest);
    };
  }

  const wrapped = new WeakMap();
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    if (!listener) return addEventListener.call(this, type, listener, options);
    if (!wrapped.has(listener)) wrapped.set(listener, timed(listener));
    return addEventListener.call(this, type, wrapped.get(listener), options);
  };
  EventTarget.prototype.removeEventListener = function (type, listener, options) {
    return removeEventListener.call(this, type, wrapped.get(listener) ?? listener, options);
  };

  /** Call back with the time at which the frame that is being made has been painted. */
  const whenPainted = (run) => {
    const post = () => {
      afterwards.push(run);
      channel.port2.postMessage(0);
    };
    if (inFrame) post();
    else frame(post);
  };

  const check = () => {
    if (!waiting?.began || waiting.ending || !waiting.shown) return;
    if (waiting.heat && !waiting.drawn) return;
    waiting.ending = true;
    const { began, done } = waiting;
    whenPainted((painted) => {
      waiting = undefined;
      done({ work, paint: painted - scripted, painted: painted - began });
    });
  };
  for (const name of ["clearRect", "fillRect", "putImageData", "drawImage"]) {
    const draw = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...values) {
      draw.apply(this, values);
      if (!waiting || waiting.drawn) return;
      waiting.drawn = true;
      check();
    };
  }
  const shown = new MutationObserver((mutations) => {
    asked.mutations += mutations.length;
    if (!waiting?.began || waiting.shown) return;
    waiting.shown = mutations.some(
      ({ attributeName, target }) =>
        attributeName === "data-shown" && target.dataset.shown === waiting.expected,
    );
    check();
  });
  const begin = (event) => {
    if (waiting && !waiting.began) waiting.began = event.timeStamp;
  };
  for (const type of ["pointerover", "pointermove"]) {
    addEventListener.call(window, type, begin, { capture: true });
  }

  window.probe = {
    whenPainted,
    /** Watch an element, and all that is in it, for changes. */
    watch: (root) =>
      shown.observe(root, { attributes: true, childList: true, characterData: true, subtree: true }),

    /** Wait for the next movement to show `expected`; keep when it was painted. */
    expect(expected, heat) {
      work = 0;
      waiting = { expected, heat };
      window.probe.result = new Promise((done) => {
        waiting.done = done;
      });
    },

    /** Return what has been asked for since the last call. */
    asked() {
      asked.mutations += shown.takeRecords().length;
      const counts = { ...asked };
      Object.assign(asked, { frames: 0, timers: 0, mutations: 0 });
      return counts;
    },

    /** Count movements and frames until `stop` is called. */
    follow(root) {
      const [times, events, long, looks] = [[], [], [], new Set()];
      let going = true;
      const tick = (time) => {
        times.push(time);
        looks.add(root.dataset.shown);
        if (going) frame(tick);
      };
      const move = (event) => events.push(Math.max(1, event.getCoalescedEvents().length));
      addEventListener.call(window, "pointermove", move, { capture: true });
      const observer = new PerformanceObserver((list) => long.push(...list.getEntries()));
      observer.observe({ type: "longtask" });
      work = 0;
      frame(tick);
      return () => {
        going = false;
        removeEventListener.call(window, "pointermove", move, { capture: true });
        long.push(...observer.takeRecords());
        observer.disconnect();
        const moves = events.reduce((sum, count) => sum + count, 0);
        return { times, moves, events: events.length, long: long.length, looks: looks.size, work };
      };
    },
  };
})();
