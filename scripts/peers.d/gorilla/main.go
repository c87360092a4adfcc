// Command gorilla is a server on github.com/gorilla/websocket that echoes, or misbehaves in one of
// the ways of the notes that inrush began with.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

var (
	slow    = flag.Duration("slow", 0, "work for so long before each upgrade, one after the other")
	limit   = flag.Duration("limit", 0, "close what has not upgraded so long after accept()")
	writers = flag.Int("writers", 1, "goroutines that write on each connection; 2 and more share no lock")
)

type connKey struct{}

// deadline closes a connection that has not upgraded in time.
type deadline struct{ timer *time.Timer }

func watch(ctx context.Context, conn net.Conn) context.Context {
	if *limit == 0 {
		return ctx
	}
	return context.WithValue(ctx, connKey{}, &deadline{time.AfterFunc(*limit, func() { conn.Close() })})
}

func main() {
	flag.Parse()
	var work sync.Mutex
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	handler := func(w http.ResponseWriter, r *http.Request) {
		if *slow > 0 {
			work.Lock()
			time.Sleep(*slow)
			work.Unlock()
		}
		if d, ok := r.Context().Value(connKey{}).(*deadline); ok {
			d.timer.Stop()
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}
	listener, err := net.Listen("tcp", flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening")
	server := http.Server{Handler: http.HandlerFunc(handler), ConnContext: watch, ErrorLog: log.Default()}
	log.Fatal(server.Serve(listener))
}

func serve(conn *websocket.Conn) {
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if *writers < 2 {
			if conn.WriteMessage(kind, message) != nil {
				return
			}
			continue
		}
		var all sync.WaitGroup
		for i := 0; i < *writers; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				unlocked(conn.UnderlyingConn(), kind, message)
			}()
		}
		all.Wait()
	}
}

// unlocked writes a frame in pieces, as a program of its own buffers and no lock does. (gorilla's
// WriteMessage would notice and panic: "concurrent write to websocket connection".)
func unlocked(conn net.Conn, kind int, message []byte) {
	const piece = 16
	head := []byte{0x80 | byte(kind), byte(len(message))}
	if len(message) > 125 {
		head = []byte{0x80 | byte(kind), 126, byte(len(message) >> 8), byte(len(message))}
	}
	frame := append(head, message...)
	for len(frame) > 0 {
		n := piece
		if n > len(frame) {
			n = len(frame)
		}
		if _, err := conn.Write(frame[:n]); err != nil {
			return
		}
		frame = frame[n:]
		runtime.Gosched()
	}
}
