interface Properties {
  isZoomed: boolean;
  onZoom: (factor: number) => void;
  onStretch: (factor: number) => void;
  onPan: (across: number, along: number) => void;
  onReset: () => void;
}

/** Buttons for zooming and moving without a drag, which scrolls the page on a phone. */
export function ZoomButtons({ isZoomed, onZoom, onStretch, onPan, onReset }: Properties) {
  const buttons: [name: string, sign: string, action: () => void, isOn: boolean][] = [
    ['Zoom in', '+', () => onZoom(0.5), true],
    ['Zoom out', '−', () => onZoom(2), isZoomed],
    ['Stretch the vertical axis', '↕+', () => onStretch(0.5), true],
    ['Compress the vertical axis', '↕−', () => onStretch(2), true],
    ['Move left', '←', () => onPan(-1, 0), isZoomed],
    ['Move right', '→', () => onPan(1, 0), isZoomed],
    ['Move up', '↑', () => onPan(0, 1), true],
    ['Move down', '↓', () => onPan(0, -1), true],
  ];
  return (
    <span class="zoom-buttons" role="group" aria-label="Zoom">
      {buttons.map(([name, sign, action, isOn]) => (
        <button key={name} type="button" aria-label={name} title={name} disabled={!isOn} onClick={action}>
          {sign}
        </button>
      ))}
      <button type="button" disabled={!isZoomed} onClick={onReset}>
        Reset zoom
      </button>
    </span>
  );
}
