import { useEffect, useRef } from 'preact/hooks';
import { addressOf } from './api/request.ts';
import { EvaluatePage } from './evaluate-page/evaluate-page.tsx';
import { formatHash } from './routing/hash.ts';
import { usePlace } from './routing/location.ts';
import { RunPage } from './run-page/run-page.tsx';
import { RunsPage } from './runs-page/runs-page.tsx';
import { ForgetKey, KeyDialog } from './ui/key-dialog.tsx';
import { ThemeToggle } from './ui/theme-toggle.tsx';

export function App() {
  const { path, parameters } = usePlace();
  const main = useRef<HTMLElement>(null);
  const page = formatHash(path);
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = path.length === 0 ? 'Lossmeter' : `${path.slice(1).join('/') || path[0]} – Lossmeter`;
    // Users of a keyboard or a screen reader start at the new page, not at the old link.
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [page]);

  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <header class="top">
        <a class="brand" href="#/">
          <BrandMark /> <span>Lossmeter</span>
        </a>
        <nav aria-label="Pages">
          <a href="#/" aria-current={path[0] !== 'evaluate' ? 'page' : undefined}>
            Runs
          </a>
          <a href="#/evaluate" aria-current={path[0] === 'evaluate' ? 'page' : undefined}>
            Evaluate a file
          </a>
          <a href={addressOf('docs')}>Manual</a>
        </nav>
        <div class="top-end">
          <ForgetKey />
          <ThemeToggle />
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        <Page path={path} parameters={parameters} />
      </main>
      <KeyDialog />
    </>
  );
}

function Page({ path, parameters }: { path: string[]; parameters: URLSearchParams }) {
  const [first, ...rest] = path;
  // In an address that is typed by hand, the slashes of a name are not escaped.
  const run = rest.length > 0 ? rest.join('/') : undefined;
  if (first === 'evaluate') return <EvaluatePage />;
  // The key resets all state of the page when the run changes.
  if (first === 'runs' && run !== undefined) return <RunPage key={run} run={run} parameters={parameters} />;
  return <RunsPage parameters={parameters} />;
}

function BrandMark() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M6 7c2 11 6 15.5 11 16.5S24 24.5 26 24.5" />
      <circle cx="19.5" cy="13" r="3.2" />
    </svg>
  );
}
