extension InspectorPage {
  /// Reads the state twice a second and shows it. Whatever it shows is put in as text, never as markup: peers choose
  /// some of it.
  static let script: StaticString = """
    "use strict";

    // Numbers for people.

    function digits(number) {
      return number.toFixed(number < 9.995 ? 2 : number < 99.95 ? 1 : 0);
    }

    function scaled(number, units) {
      const unit = units.find(([, size]) => number / size < 999.5) ?? units[units.length - 1];
      return number === 0 ? "0 " + unit[0] : digits(number / unit[1]) + " " + unit[0];
    }

    const sizes = [["B", 1], ["KiB", 1024], ["MiB", 1048576], ["GiB", 1073741824], ["TiB", 1099511627776]];
    const times = [["µs", 1e-6], ["ms", 1e-3], ["s", 1]];

    const count = number => Math.round(number).toLocaleString("en-US");
    const counted = (number, noun) => count(number) + " " + noun + (number === 1 ? "" : "s");
    const rate = number => number === 0 ? "0" : number < 99.95 ? digits(number) : count(number);
    const bytes = number => number < 1000 ? count(number) + " B" : scaled(number, sizes);
    const time = seconds => scaled(seconds, times);
    const percent = share => (100 * share).toFixed(share < 0.0995 ? 1 : 0) + " %";

    function duration(seconds) {
      const whole = Math.floor(seconds);
      if (whole < 60) return seconds < 9.95 ? seconds.toFixed(1) + " s" : whole + " s";
      if (whole < 3600) return Math.floor(whole / 60) + " min " + whole % 60 + " s";
      if (whole < 86400) return Math.floor(whole / 3600) + " h " + Math.floor(whole % 3600 / 60) + " min";
      return counted(Math.floor(whole / 86400), "day") + " " + Math.floor(whole % 86400 / 3600) + " h";
    }

    // Elements.

    const find = id => document.getElementById(id);

    function element(name, className, ...children) {
      const made = document.createElement(name);
      if (className) made.className = className;
      made.append(...children);
      return made;
    }

    function drawn(name, attributes, text) {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      if (text !== undefined) made.textContent = text;
      return made;
    }

    const term = ([name, value]) => element("div", "", element("dt", "", name), element("dd", "", value));

    // Charts of the last minute.

    const plot = { left: 66, right: 448, top: 10, bottom: 146, span: 60 };

    const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500];

    // The least round number that isn't below another, in a unit that suits it.
    function roundUp(number, units) {
      const rounds = units.flatMap(([, size]) => steps.map(step => step * size));
      return rounds.find(round => round >= number) ?? number;
    }

    // The vertical axis reaches at least to `least`, so that hardly anything doesn't look like much.
    function draw(id, moments, lines, units, least, label) {
      const highest = Math.max(least, ...moments.flatMap(moment => lines.map(([key]) => moment[key])));
      const top = roundUp(highest, units);
      const x = ago => plot.right - (plot.right - plot.left) * Math.min(ago / plot.span, 1);
      const y = value => plot.bottom - (plot.bottom - plot.top) * value / top;
      const parts = [];
      for (const value of [0, top / 2, top]) {
        const level = y(value);
        parts.push(drawn("line", { class: "grid", x1: plot.left, x2: plot.right, y1: level, y2: level }));
        parts.push(drawn("text", { x: plot.left - 8, y: level + 4, "text-anchor": "end" }, label(value)));
      }
      for (const ago of [60, 40, 20, 0]) {
        const anchor = ago === 60 ? "start" : ago === 0 ? "end" : "middle";
        parts.push(drawn("text", { x: x(ago), y: 164, "text-anchor": anchor }, ago ? ago + " s ago" : "now"));
      }
      for (const [key, style] of moments.length > 1 ? lines : []) {
        const points = moments.map(moment => x(moment.secondsAgo).toFixed(1) + " " + y(moment[key]).toFixed(1));
        const [first, last] = [moments[0], moments[moments.length - 1]].map(moment => x(moment.secondsAgo).toFixed(1));
        const ends = [first + " " + plot.bottom, ...points, last + " " + plot.bottom];
        if (!style.includes("dashed")) {
          parts.push(drawn("path", { class: "area " + style, d: "M " + ends.join(" L ") + " Z" }));
        }
        parts.push(drawn("path", { class: "curve " + style, d: "M " + points.join(" L ") }));
      }
      find(id).replaceChildren(...parts);
    }

    // The parts of the page.

    const causes = {
      finished: "finished", aborted: "aborted by this side", idle: "idle too long", fellBehind: "fell behind",
      dropped: "dropped", failed: "failed", shutDown: "at shutdown", lost: "lost",
    };

    function showServer(server) {
      const where = server.addresses.join(", ");
      document.title = "mux serve " + where;
      find("title").textContent = where ? "mux serve at " + where : "mux serve";
      find("summary").textContent = [
        server.service + " on " + server.backend, counted(server.threads, "thread"), "process " + server.processID,
        "up for " + duration(server.uptimeSeconds),
      ].join(", ");
    }

    function showFigures({ connections, transfers, turns }) {
      find("tiles").replaceChildren(...[
        ["open connections", count(connections.open)], ["received per second", bytes(transfers.receivedPerSecond)],
        ["sent per second", bytes(transfers.sentPerSecond)], ["turns per second", rate(turns.perSecond)],
        ["ready per turn", rate(turns.readyPerTurn)], ["time at work", percent(turns.busy)],
      ].map(term));
      const closed = Object.entries(connections.closed).filter(([, number]) => number > 0);
      find("facts").replaceChildren(...[
        ["accepted", count(connections.accepted)],
        ...closed.map(([cause, number]) => ["closed: " + (causes[cause] ?? cause), count(number)]),
        ["accept failures", count(connections.acceptFailures)], ["received", bytes(transfers.receivedBytes)],
        ["sent", bytes(transfers.sentBytes)], ["queued", bytes(connections.queuedBytes)],
        ["lost unsent", bytes(connections.lostBytes)],
      ].map(term));
    }

    function showCharts(moments) {
      // An echo sends as much as it receives: both lines can be seen where they are one.
      const lines = [["sentPerSecond", "s1"], ["receivedPerSecond", "s0 dashed"]];
      draw("throughput", moments, lines, sizes, 1024, value => value === 0 ? "0" : bytes(value));
      draw("turns", moments, [["turnsPerSecond", "s2"]], [["", 1], ["", 1000], ["", 1e6]], 10, value => Number.isInteger(value) ? count(value) : rate(value));
    }

    const isActive = connection => 1 > connection.idleSeconds;

    // Each text begins with a descriptor: "7 readable".
    const descriptors = texts => new Set(texts.map(text => parseInt(text, 10)));

    function dot(connection, isReady) {
      const style = connection.queuedBytes > 0 ? "queued" : isActive(connection) ? "active" : "";
      const made = element("span", "dot " + style + (isReady ? " ready" : ""));
      made.title = "descriptor " + connection.descriptor + ", " + (connection.peer ?? "a client");
      return made;
    }

    // Each of several texts stays on one line if it can.
    function list(texts) {
      if (texts.length === 0) return ["nothing"];
      const last = texts.length - 1;
      return texts.flatMap((text, index) => [element("span", "item", index < last ? text + "," : text), " "]);
    }

    function turn({ turn, waitedSeconds, workedSeconds, registered, ready, done }) {
      const lines = [
        ["registered", list(registered)], ["ready", list(ready)],
        ...done.map((line, index) => [index === 0 ? "done" : "", [line]]),
      ];
      return element(
        "div", "turn", element("b", "", "turn " + count(turn)),
        element("span", "quiet", "waited " + time(waitedSeconds) + ", worked " + time(workedSeconds)),
        element("dl", "", ...lines.flatMap(([name, parts]) => [element("dt", "", name), element("dd", "", ...parts)])));
    }

    // Kept, so that what was scrolled stays where it is.
    const cards = [];

    function card(index) {
      while (index >= cards.length) {
        const parts = {
          title: element("h3"), facts: element("p", "quiet"), work: element("div"), dots: element("div", "dots"),
          turns: element("div", "turns"),
        };
        const meter = element("div", "meter", parts.work);
        find("threads").append(element("div", "thread", parts.title, parts.facts, meter, parts.dots, parts.turns));
        cards.push(parts);
      }
      return cards[index];
    }

    function showThreads(threads, connections) {
      if (threads.length !== cards.length) {
        cards.length = 0;
        find("threads").replaceChildren();
      }
      threads.forEach((thread, index) => {
        const own = connections.filter(connection => connection.thread === thread.thread);
        const { title, facts, work, dots, turns } = card(index);
        title.textContent = "Thread " + thread.thread;
        facts.textContent = [
          counted(thread.open, "connection"), rate(thread.turns.perSecond) + " turns/s",
          rate(thread.turns.readyPerTurn) + " ready per turn", percent(thread.turns.busy) + " at work",
        ].join(", ");
        work.style.width = 100 * thread.turns.busy + "%";
        const ready = descriptors(thread.lastTurns.slice(-1).flatMap(turn => turn.ready));
        own.sort((one, other) => one.descriptor - other.descriptor);
        dots.replaceChildren(...own.map(connection => dot(connection, ready.has(connection.descriptor))));
        turns.replaceChildren(...thread.lastTurns.reverse().map(turn));
      });
    }

    function showConnections(connections, omitted) {
      find("listed").textContent = omitted > 0
        ? "The " + connections.length + " most recently active ones; " + count(omitted) + " more are left out."
        : connections.length > 0 ? "The most recently active first." : "None are open.";
      find("connections").replaceChildren(...connections.map(connection => {
        const heading = element("th", "", String(connection.descriptor));
        heading.scope = "row";
        const cells = [
          connection.peer ?? "a client", connection.thread, duration(connection.ageSeconds),
          duration(connection.idleSeconds), bytes(connection.receivedBytes), bytes(connection.sentBytes),
          connection.queuedBytes > 0 ? bytes(connection.queuedBytes) : "",
        ].map(text => element("td", "", String(text)));
        return element("tr", isActive(connection) ? "active" : "", heading, ...cells);
      }));
    }

    function show(state) {
      showServer(state.server);
      showFigures(state);
      showCharts(state.lastMinute);
      const byActivity = state.recentConnections.slice();
      showThreads(state.threads, state.recentConnections);
      showConnections(byActivity, state.omittedConnections);
    }

    // Again and again.

    const interval = 500;
    const patience = 5000;
    let isPaused = false;

    function showStatus(style, text) {
      document.body.className = style;
      // Unchanged text would be read aloud again.
      if (find("status").textContent !== text) find("status").textContent = text;
    }

    async function refresh() {
      try {
        const response = await fetch("/state.json", { cache: "no-store", signal: AbortSignal.timeout(patience) });
        if (!response.ok) throw new Error(response.statusText);
        const state = await response.json();
        if (isPaused) return;
        show(state);
        showStatus("live", "live");
      } catch {
        if (!isPaused) showStatus("gone", "the server doesn't answer; trying again");
      }
    }

    async function run() {
      // Nobody sees a hidden page.
      if (!isPaused && !document.hidden) await refresh();
      setTimeout(run, interval);
    }

    find("pause").addEventListener("click", () => {
      isPaused = !isPaused;
      find("pause").textContent = isPaused ? "Continue" : "Pause";
      if (isPaused) showStatus("", "paused");
    });

    run();
    """
}
