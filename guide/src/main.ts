import { applyTheme } from '../../dashboard/src/ui/theme.ts';
import './guide.css';
import { startMenu } from './menu.ts';
import { startSearch } from './search.ts';

/** Address of the guide's first page. Pages are in folders below it. */
const root = new URL('.', (document.currentScript as HTMLScriptElement).src);

// Runs before the page is drawn: a dark page would flash.
applyTheme();
document.addEventListener('DOMContentLoaded', () => {
  startMenu();
  startSearch(root);
});
