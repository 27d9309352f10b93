"""The console: pages from the server for everything that Commonwatt knows.

FastAPI answers, Jinja2 writes the pages, and every page is whole without script;
scripts only bring its charts to life. Whoever may see what stands in one table,
`roles.MAY`; whatever is done through the console is in the ledger.

How a page is added
-------------------

One file, one line, and no drawing. `pages/fleet.py` is the pattern.

1. Write `pages/NAME.py`. Its `build(look, values) -> View` says what is shown: a lede
   (the answer in a sentence), `Fact`s, `Chart`s and `Listing`s (tables), as data.

   * `look` holds who looks, in which language, when, and `look.desk`: the run store
     (`desk.runs.find`, `.rows`, `.frame`), the ledger and its database
     (`desk.ledger`, `desk.engine`), settings (folders of rooms and so on).
   * `values` holds the page's parameters as text or number, checked.
   * A table is a `Rows`: a key that names its content, and a function that loads it.
     `desk.runs.rows(run, "fleet_jobs")` gives those of a run. Other rows take a key
     that names what they depend on, such as `f"treasury/{values.query()}"`; they are
     kept in memory only, so the key must change when the rows do.
   * A chart is a specification of the wing whose figures it draws (`usecases/charts.py`), and
     names the table that it draws; drawing, heading and the series that a script zooms into
     are made from that by `report/charts`.
   * Heavy rooms are imported inside functions, so that the first page stays quick.
     A page takes at most 30 ms of the server's CPU; what takes longer is a run
     (`work.py`), and the page shows its result.

2. End the file with `PAGE = Page(name=…, title=Message(…), action=Action.…, build=build,
   parameters=(…), group="plan" | "govern" | "run")`. `action` is what who looks must be
   allowed to do. Where all who have the same roles see the same, as of a sealed run, give
   `content_key` too: it names all that the page is made of, and the page is made once for
   them all (`shared_pages.py`), by a look that has no name, session or token.
   `parameters` are `Parameter`s: choices, numbers, sliders, texts; the form, the checks, the
   address and OpenAPI are made from them.

3. Add it to `registry.PAGES`, in the order of the menu.

4. Only where facts, charts and tables are not enough: a template of its own under
   `templates/` that extends `page.html` and fills its block `extra`; it finds
   `view.extra`. Forms that change something post to a route under `routes/`, carry
   `<input type="hidden" name="csrf" value="{{ context.visitor.csrf }}">`, take
   `fields: Posted`, and write their change and its entry on one transaction
   (`desk.ledger.transaction()`, `desk.clerk`). No styles and no scripts stand in a
   template: the policy for contents forbids them.

5. Every sentence is a `Message` or `t('…')` with a Chinese one in `locale/…/web.po`.

The page then has, for nothing: its address with its parameters, `/NAME.json`,
`/NAME/tables/T`, `.csv`, `.parquet`, `.json`, `/NAME/charts/C.json`, its entries in
OpenAPI and in the client, its place in the menu for those who may see it, and its
part in the tests of roles, languages, accessibility and screenshots, which walk
the registry.
"""
