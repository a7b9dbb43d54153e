// The storage work of `bench storage` on pgx: one connection, prepared statements, one transaction for each unit.
//
//	pgx URL SHAPE=STEPS…
//
// prints a line per shape: its name, a tab, nanoseconds of one step.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	items = 10_000
	group = 100
)

type item struct {
	ID    int64    `json:"id"`
	Group int64    `json:"group"`
	Name  string   `json:"name"`
	Price int64    `json:"price"`
	Tags  []string `json:"tags"`
	Notes string   `json:"notes"`
}

func newItem(id, version int64) item {
	return item{
		ID: id, Group: id / group, Price: 255 + version,
		Name:  fmt.Sprintf("WHITE HANGING HEART T-LIGHT HOLDER %d", id),
		Tags:  []string{"hanging", "white", "heart", "light"},
		Notes: strings.Repeat("a product of the shop's own size, with words that a person reads ", 2),
	}
}

type contestant struct {
	conn     *pgx.Conn
	versions [items]int64
}

const (
	get    = "SELECT version, document FROM pgx.item WHERE id = $1"
	page   = `SELECT version, document FROM pgx.item WHERE "group" = $1 ORDER BY id LIMIT 51`
	update = `UPDATE pgx.item SET version = $2, document = $3, "group" = $4 WHERE id = $1 AND version = $5`
	event  = "INSERT INTO pgx.outbox (id, name, entity, version, payload) VALUES ($1, $2, $3, $4, $5)"
)

func (c *contestant) load(ctx context.Context) error {
	rows, err := c.conn.Query(ctx, "SELECT id, version FROM pgx.item")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, version int64
		if err := rows.Scan(&id, &version); err != nil {
			return err
		}
		c.versions[id] = version
	}
	return rows.Err()
}

func (c *contestant) read(ctx context.Context, id int64) error {
	var version int64
	var document []byte
	if err := c.conn.QueryRow(ctx, get, id).Scan(&version, &document); err != nil {
		return err
	}
	var found item
	return json.Unmarshal(document, &found)
}

func (c *contestant) page(ctx context.Context, group int64) error {
	rows, err := c.conn.Query(ctx, page, group)
	if err != nil {
		return err
	}
	defer rows.Close()
	found := make([]item, 0, 51)
	for rows.Next() {
		var version int64
		var document []byte
		var one item
		if err := rows.Scan(&version, &document); err != nil {
			return err
		}
		if err := json.Unmarshal(document, &one); err != nil {
			return err
		}
		found = append(found, one)
	}
	if len(found) != 51 {
		return fmt.Errorf("no whole page: %d", len(found))
	}
	return rows.Err()
}

func (c *contestant) change(ctx context.Context, first, count int64) error {
	tx, err := c.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	for id := first; id < first+count; id++ {
		version := c.versions[id]
		one := newItem(id, version+1)
		document, err := json.Marshal(one)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, update, id, version+1, document, one.Group, version)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return fmt.Errorf("the item %d has another version", id)
		}
		c.versions[id] = version + 1
	}
	payload, err := json.Marshal(map[string]int64{"item": first, "price": 255 + c.versions[first]})
	if err != nil {
		return err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, event, id, "repriced", first, c.versions[first], payload); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func (c *contestant) step(ctx context.Context, shape string, id int64) error {
	switch shape {
	case "one by id":
		return c.read(ctx, id)
	case "page of 50":
		return c.page(ctx, id%(items/group))
	case "unit of 1 and an event":
		return c.change(ctx, id, 1)
	default:
		return c.change(ctx, min(id, items-20), 20)
	}
}

func run() error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Args[1])
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	c := &contestant{conn: conn}
	if err := c.load(ctx); err != nil {
		return err
	}
	for _, asked := range os.Args[2:] {
		shape, count, _ := strings.Cut(asked, "=")
		steps, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			return err
		}
		// The first one prepares the statements.
		if err := c.step(ctx, shape, 0); err != nil {
			return err
		}
		start := time.Now()
		for step := int64(0); step < steps; step++ {
			if err := c.step(ctx, shape, step*37%items); err != nil {
				return err
			}
		}
		fmt.Printf("%s\t%d\n", shape, time.Since(start).Nanoseconds()/steps)
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
