/** Opens and closes the table of contents, which is hidden on narrow screens. */
export function startMenu(): void {
  const button = document.querySelector<HTMLButtonElement>('#menu')!;
  const contents = document.querySelector<HTMLElement>('#contents')!;
  const open = (isOpen: boolean): void => {
    button.ariaExpanded = String(isOpen);
    contents.classList.toggle('open', isOpen);
  };
  button.addEventListener('click', () => open(button.ariaExpanded !== 'true'));
  document.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') open(false);
  });
  const current = contents.querySelector<HTMLElement>('[aria-current]');
  // Scrolls the contents alone, not the page.
  if (current !== null) contents.scrollTop = current.offsetTop - contents.clientHeight / 2;
}
