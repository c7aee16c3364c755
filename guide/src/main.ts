import { applyTheme } from '../../dashboard/src/ui/theme.ts';
import './guide.css';
import { startMenu } from './menu.ts';
import { startSearch } from './search.ts';

/** Address of the guide's first page. Pages are in folders below it. */
const root = new URL('.', (document.currentScript as HTMLScriptElement).src);

// Runs before the page is drawn. Later, a dark theme would begin with a flash of the light one.
applyTheme();
document.addEventListener('DOMContentLoaded', () => {
  startMenu();
  startSearch(root);
});
