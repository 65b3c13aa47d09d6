extension InspectorPage {
  /// What the inspector adds to the style sheet of reports.
  static let style: StaticString = """
    main { max-width: 1120px; padding-top: 36px; }
    section { margin-top: 44px; }
    section p { margin: 4px 0 12px; max-width: 90ch; }
    .quiet { color: var(--quiet); font-size: 14px; }
    .summary { margin-bottom: 12px; overflow-wrap: anywhere; }
    .status { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 20px; margin: 0; font-size: 14px; }
    .status a { color: var(--s0); }
    #status::before {
      content: ""; display: inline-block; width: 9px; height: 9px; margin-right: 8px; border-radius: 50%;
      background: var(--quiet);
    }
    .live #status::before { background: var(--s2); }
    .gone #status::before { background: var(--s4); }
    .gone #status { color: var(--s4); font-weight: 600; }
    .gone section, .gone .charts { opacity: 0.4; }
    button {
      font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
      padding: 2px 14px; min-width: 88px; cursor: pointer;
    }
    header + section { margin-top: 0; }
    .tiles { margin: 28px 0 20px; }
    .tiles div { display: flex; flex-direction: column; justify-content: space-between; }
    .tiles dd { font-size: 23px; }
    .facts { min-height: 42px; }
    .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 8px 40px; }
    .charts figcaption p { margin: 2px 0 8px; font-size: 14px; }
    .charts figure { margin-top: 40px; }
    .charts svg { min-width: 0; font-size: 12px; }
    span.name { color: var(--own); font-weight: 600; margin-right: 14px; }
    section .legend { display: flex; flex-wrap: wrap; gap: 4px 24px; max-width: none; }
    .legend .dot { display: inline-block; margin-right: 8px; }
    .dot { width: 10px; height: 10px; border-radius: 50%; border: 1.5px solid var(--quiet); opacity: 0.55; }
    .dot.active { background: var(--s2); border-color: var(--s2); opacity: 1; }
    .dot.queued { background: var(--s1); border-color: var(--s1); opacity: 1; }
    .dot.ready { box-shadow: 0 0 0 1.5px var(--ground), 0 0 0 3.5px var(--s0); opacity: 1; }
    .threads { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 20px; }
    .thread { border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px 0; min-width: 0; }
    .thread h3 { font-size: 16px; margin: 0; }
    .thread p { margin: 2px 0 8px; }
    .meter { height: 6px; border-radius: 3px; background: var(--line); overflow: hidden; }
    .meter div { height: 100%; background: var(--s2); }
    .dots { display: flex; flex-wrap: wrap; gap: 6px; min-height: 10px; margin: 14px 0; }
    .turns { height: 25em; overflow-y: auto; margin: 0 -16px; padding: 0 16px; border-top: 1px solid var(--line); }
    .turn { padding: 10px 0; border-bottom: 1px solid var(--line); font-size: 13px; }
    .turn b { font-weight: 600; margin-right: 14px; }
    .turn dl {
      display: grid; grid-template-columns: max-content 1fr; gap: 1px 14px; margin-top: 4px;
      font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    }
    .turn dt { font-size: inherit; }
    .turn dd { overflow-wrap: anywhere; }
    .item { display: inline-block; }
    th:nth-child(2), td:nth-child(2) { text-align: left; }
    td:nth-child(2) { white-space: normal; overflow-wrap: anywhere; min-width: 160px; }
    tbody tr.active th, tbody tr.active td:nth-child(5) { color: var(--s2); font-weight: 600; }
    tbody td, tbody th { padding-top: 5px; padding-bottom: 5px; font-size: 14px; }
    @media (max-width: 560px) {
      main { padding: 24px 16px 48px; }
      h1 { font-size: 24px; }
      .summary { font-size: 16px; }
      .tiles { grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); gap: 8px; }
      .tiles div { padding: 10px 12px; }
      .tiles dd { font-size: 19px; }
    }
    """
}
