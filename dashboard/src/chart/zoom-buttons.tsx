interface Properties {
  isZoomed: boolean;
  onZoom: (factor: number) => void;
  onReset: () => void;
}

/** For those who cannot drag: on a phone it scrolls the page. */
export function ZoomButtons({ isZoomed, onZoom, onReset }: Properties) {
  return (
    <span class="zoom-buttons" role="group" aria-label="Zoom">
      <button type="button" aria-label="Zoom in" onClick={() => onZoom(0.5)}>
        +
      </button>
      <button type="button" aria-label="Zoom out" disabled={!isZoomed} onClick={() => onZoom(2)}>
        −
      </button>
      <button type="button" disabled={!isZoomed} onClick={onReset}>
        Reset zoom
      </button>
    </span>
  );
}
