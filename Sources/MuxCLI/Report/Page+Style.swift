extension Page {
  /// The style sheet: light or dark as the reader prefers, with digits of equal width, so that columns line up.
  static let style: StaticString = """
    :root {
      color-scheme: light dark;
      --ground: #fdfdfc; --text: #1c2024; --quiet: #5f6770; --line: #e3e5e8; --panel: #f4f5f6;
      --s0: #1d5fd1; --s1: #b4540a; --s2: #0b7a55; --s3: #7a3fd0; --s4: #b8256e; --s5: #4a5560;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --ground: #14171a; --text: #e8eaed; --quiet: #9aa3ad; --line: #2c3237; --panel: #1d2125;
        --s0: #6ea8ff; --s1: #f0a04b; --s2: #4fd0a0; --s3: #b79cff; --s4: #ff8abf; --s5: #b0bac4;
      }
    }
    * { box-sizing: border-box; }
    body {
      margin: 0; background: var(--ground); color: var(--text);
      font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
      font-variant-numeric: tabular-nums;
    }
    main { max-width: 960px; margin: 0 auto; padding: 48px 24px 64px; }
    h1 { font-size: 30px; line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 8px; }
    h2 { font-size: 19px; margin: 0; }
    .summary { font-size: 18px; color: var(--quiet); margin: 0 0 20px; }
    pre {
      margin: 0 0 20px; padding: 12px 16px; background: var(--panel); border-radius: 8px; white-space: pre-wrap;
      overflow-wrap: anywhere; font: 14px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    }
    dl { margin: 0; }
    dd { margin: 0; }
    dt { color: var(--quiet); font-size: 13px; }
    .facts { display: flex; flex-wrap: wrap; gap: 8px 40px; font-size: 14px; }
    .tiles {
      display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 36px 0;
    }
    .tiles div { padding: 14px 16px; border: 1px solid var(--line); border-radius: 10px; }
    .tiles dd { font-size: 25px; font-weight: 600; line-height: 1.3; letter-spacing: -0.01em; white-space: nowrap; }
    .notes {
      margin: 24px 0; padding: 12px 16px 12px 36px; border-left: 3px solid var(--s1); background: var(--panel);
      border-radius: 0 8px 8px 0;
    }
    .scroll { overflow-x: auto; margin: 24px 0; }
    table { border-collapse: collapse; width: 100%; font-size: 15px; }
    th, td { padding: 8px 12px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
    th { font-weight: 500; }
    thead th { color: var(--quiet); font-size: 13px; }
    th:first-child { text-align: left; padding-left: 0; }
    figure { margin: 44px 0 0; }
    figcaption p { color: var(--quiet); margin: 4px 0 12px; max-width: 75ch; }
    figure .scroll { margin: 0; }
    svg { display: block; width: 100%; min-width: 640px; height: auto;
      font: 13px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
    svg text { fill: var(--quiet); }
    .grid { stroke: var(--line); stroke-width: 1; }
    .axis { stroke: var(--quiet); stroke-width: 1; }
    .curve { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
    .dashed { stroke-dasharray: 5 5; stroke-width: 1.75; }
    .area { opacity: 0.1; }
    .halo { fill: var(--ground); stroke-width: 2; }
    svg text.name { font-weight: 600; font-size: 14px; }
    svg text.mark { fill: var(--text); font-size: 12px; paint-order: stroke; stroke: var(--ground); stroke-width: 4px; }
    .s0 { --own: var(--s0); } .s1 { --own: var(--s1); } .s2 { --own: var(--s2); }
    .s3 { --own: var(--s3); } .s4 { --own: var(--s4); } .s5 { --own: var(--s5); }
    .curve, .halo { stroke: var(--own); }
    .area, svg text.name { fill: var(--own); }
    """
}
